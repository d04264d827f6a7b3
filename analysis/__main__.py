"""`python -m analysis multirun/<sweep>`."""

import sys

from analysis.cli import main

if __name__ == "__main__":  # which a process that works beside this one is not
    sys.exit(main())
