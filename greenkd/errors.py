"""Every error that a user can cause and cure. Each message names the bad value, what is allowed, and the cure.

GreenkdError
├── ConfigError                 a setting is unknown, of the wrong type or out of range
│   └── NoTemperatureError      a search over τ for an objective that has none
├── DataError                   a data set is missing, damaged, or not what its name says
├── StorageError                something cannot be written or read
│   ├── DatabaseLostError       a shared database is away, or refuses the connection
│   └── RecordError             a record file is of another schema
│       └── DamagedRecordError  a record file is no JSON
├── AnalysisError               a folder holds nothing that could be analysed, or an option does not fit it
├── TeacherFailedError          the teacher could not be trained
├── TrainingDivergedError       a loss is no longer a number
└── TrainingInterruptedError    a stop was asked for
    └── BudgetSpentError        the next epoch or trial would cross a limit
"""


class GreenkdError(Exception):
    """Base of every error that is shown to the user without a traceback."""


class ConfigError(GreenkdError):
    """A setting is unknown, of the wrong type, or out of range; raised before anything is trained."""


class NoTemperatureError(ConfigError):
    """A search over τ is asked for, but the objective has no temperature."""


class DataError(GreenkdError):
    """A data set is missing, damaged, or not what its name says."""


class StorageError(GreenkdError):
    """A folder, checkpoint, cache entry or study file cannot be written or read."""


class DatabaseLostError(StorageError):
    """A shared database is away, or refuses the connection; it may come back."""


class RecordError(StorageError, ValueError):
    """A record file is of another schema version, or holds what no version of the schema allows."""


class DamagedRecordError(RecordError):
    """A record file is no JSON: its disk or another program has damaged it."""


class AnalysisError(GreenkdError, ValueError):
    """A folder holds nothing that could be analysed, or an option of the analysis does not fit it."""


class TeacherFailedError(GreenkdError):
    """The teacher could not be trained: its loss is no number, or it does not fit into memory."""


class TrainingDivergedError(GreenkdError):
    """The loss of a training is no longer a number."""


class TrainingInterruptedError(GreenkdError):
    """A stop was asked for; everything up to the last step is on disk.

    Args:
        message: Why.
        signal: The name of the signal that asked for it, if one did.
    """

    def __init__(self, message: str, signal: str | None = None) -> None:
        super().__init__(message)
        self.signal = signal


class BudgetSpentError(TrainingInterruptedError):
    """The next epoch, or the next trial, would cross a limit."""
