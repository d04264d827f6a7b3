"""How results are shown: tables, figures, the report page."""
