"""`python -m provisioning`, for where no script is installed."""

from provisioning.cli.commands import main

main(prog_name="provisioning")
