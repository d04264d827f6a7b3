"""What becomes of a campaign's student: an object to predict with, a file that other programs read, a model card."""

from greenkd.export.facts import StudentFacts
from greenkd.export.loading import load_student
from greenkd.export.predictions import Classes, Found
from greenkd.export.student import Student

__all__ = ["Classes", "Found", "Student", "StudentFacts", "load_student"]
