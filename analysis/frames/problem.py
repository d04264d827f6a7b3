"""What is said about the files behind the tables."""

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something that a reader of the tables has to know about one file or campaign."""

    where: str
    what: str


def add_problems(problems: list[Problem], found: Iterable[Problem]) -> None:
    """Adds what was found elsewhere; what is known already, as that a folder is of a newer version, is said once."""
    problems.extend(problem for problem in found if problem not in problems)
