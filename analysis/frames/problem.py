"""What is said about the files behind the tables."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something that a reader of the tables has to know about one file or campaign."""

    where: str
    what: str
