"""`python -m provisioning`, for where no script is installed."""

from provisioning.cli import main

main(prog_name="provisioning")
