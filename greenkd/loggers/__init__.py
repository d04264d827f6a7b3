"""What people watch trainings with: TensorBoard, Weights & Biases, MLflow, CSV files, written from the records.

`reader` makes a `Run` of what is on record of a trial; a `Logger` brings its tracker up to it, as often as it is asked.
So a campaign is logged while it trains, goes on after a kill, and is logged anew when it has long ended.
"""

from greenkd.loggers.base import Logger, Run
from greenkd.loggers.csv_files import Csv
from greenkd.loggers.mlflow_runs import MLflow
from greenkd.loggers.options import TARGETS, read_loggers
from greenkd.loggers.reader import RunReader
from greenkd.loggers.tensorboard_events import TensorBoard
from greenkd.loggers.wandb_runs import WandB

__all__ = ["TARGETS", "Csv", "Logger", "MLflow", "Run", "RunReader", "TensorBoard", "WandB", "read_loggers"]
