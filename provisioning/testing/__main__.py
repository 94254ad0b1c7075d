"""`python -m provisioning.testing`: a fresh server in memory on a free port, for any language.

It is `provisioning serve --memory --port 0`, and takes the options of `serve`.
"""

import sys

from provisioning.cli.commands import main

if __name__ == "__main__":
    main(["serve", "--memory", "--port", "0", *sys.argv[1:]])
