"""`python -m gateway` is `strangler`."""

import sys

from gateway.cli import main

if __name__ == "__main__":
    sys.exit(main())
