"""`python -m tyllm`: the same as the command `tyllm`."""

import sys

from tyllm.cli import main

if __name__ == "__main__":
    sys.exit(main())
