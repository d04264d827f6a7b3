"""greenkd: which way of choosing the distillation temperature τ is worth its energy?"""

__version__ = "0.1.0"
