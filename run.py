"""Compares ways of choosing the distillation temperature τ, with every joule on record.

python run.py                                  one campaign: a random τ for every batch
python run.py -m temperature=grid,stochastic   a grid of 19 τ against it, then the comparison
python run.py --help                           what can be composed

The same as `greenkd`, where that is installed. Its @hydra.main is in greenkd/run.py.
"""

import sys

from greenkd.run import main

if __name__ == "__main__":
    sys.exit(main())
