"""Compares ways of choosing the distillation temperature τ, with every joule on record.

python run.py                                  one campaign: a random τ for every batch
python run.py -m temperature=grid,stochastic   a grid of 19 τ against it, then the comparison
python run.py --help                           what can be composed
"""

import sys

import hydra
from omegaconf import DictConfig

from greenkd.collector import collect_rarely
from greenkd.configuration import register_configuration
from greenkd.output_encoding import make_output_readable
from greenkd.stops import stopping_in_one_line
from greenkd.sweep import exit_code, hints, quote_functions, refusing_failed_writes, run_job
from greenkd.whereabouts import note_typed_line, typed_line

register_configuration()


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config: DictConfig) -> str:
    """Runs one campaign; Hydra calls this once per job."""
    return run_job(config)


if __name__ == "__main__":
    make_output_readable()
    collect_rarely()
    note_typed_line()
    sys.argv[1:] = quote_functions(sys.argv[1:])
    with hints(), refusing_failed_writes(), stopping_in_one_line(typed_line()):
        main()
    sys.exit(exit_code())
