from tests.quick_studies import read_history_once

read_history_once()
