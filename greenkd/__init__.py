"""greenkd: which way of choosing the distillation temperature τ is worth its energy?"""

from greenkd import process_clock as process_clock  # first of all, while the process is young

__version__ = "0.1.0"
