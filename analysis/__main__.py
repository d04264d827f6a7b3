"""`python -m analysis multirun/<sweep>`."""

import sys

from analysis.cli import main

sys.exit(main())
