"""Errors a user can cause and cure. Each message names the bad value, what is allowed, and the cure."""


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
