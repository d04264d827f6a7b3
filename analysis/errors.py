"""The error that is shown to the user without a traceback."""


class AnalysisError(ValueError):
    """There is nothing to analyse, or an option asks for what the records do not hold."""
