"""Studies that are published with their records: each folder holds one, `python -m studies <folder>` runs it."""
