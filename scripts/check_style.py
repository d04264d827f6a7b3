#!/usr/bin/env python3
"""Holds the package to those rules of CONTRIBUTING.md that a script can see: `python scripts/check_style.py`.

    paragraphs   blank lines are at least 7 % of all lines inside functions, and no body of 25 lines or more has none
    length       no file has more than 300 lines
    words        a word that CONTRIBUTING.md replaces is neither a name nor in a docstring, a comment or a message
    imports      they stand at the top of the file: in no function but the one gate's, in no module's `__getattr__`

Prints one line per finding, `file:line: what is wrong`, and exits with 1 if there is any.
"""

import ast
import dataclasses
import io
import re
import sys
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHECKED = ("run.py", "greenkd", "analysis")

BLANK_SHARE = 0.07
LONG_BODY = 25
MAX_FILE_LINES = 300
WORST_FILES = 10

# Where an import has to wait. A command's: `--help` answers at once because torch and Optuna are imported behind it. A
# worker's: it opens its energy monitor first, so that importing torch is on the ledger. The analysis's: an answer to a
# wrong option does not wait for pandas.
IMPORT_GATES = frozenset(
    {"greenkd/__init__.py", "greenkd/sweep/command.py", "greenkd/campaign/workers/worker.py", "analysis/__init__.py"}
)

# Names that are refused as they are written here, each with the one that stands in its place.
NAMES = {
    "EnergyBook": "EnergyMonitor",
    "FedBatch": "Batch",
    "FeatureTap": "FeatureHook",
    "obtain": "load_or_train_teacher",
    "listen": "make_teacher_source",
    "_OVER": "_FINISHED",
    "_outlast_others": "_wait_for_running_trials",
}
# Words that are refused in any capitals, alone or as a part of a name, as in `open_book` and `BookKeeper`.
WORDS = {
    "book": "ledger, monitor or recorded",
    "books": "ledger",
    "booked": "recorded or metered",
    "booking": "recording",
    "bookkeeping": "ledger",
    "bill": "cost or ledger",
    "bills": "costs or ledgers",
    "billed": "recorded or charged",
    "billing": "PhaseTag",
    "bench": "what it is: DataModule, NetworkFactory",
    "workbench": "what it is: DataModule, NetworkFactory",
    "helper": "worker",
    "helpers": "workers, or WorkerPool",
    "spare": "fork server, or save",
    "fed": "loaded or given",
    "feed": "BatchLoader, or give",
    "burial": "removal",
    "dearest": "most expensive",
}
# What a file may say all the same, with the reason.
ALLOWED = {
    "greenkd/records/schema.py": {
        "booked_s": "the field's name in files of schema version 1",
        "booked_cpu_s": "likewise",
    },
}

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@dataclasses.dataclass(frozen=True, order=True)
class Finding:
    """A breach of a rule, at a line of a file."""

    file: str
    line: int
    problem: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}"


@dataclasses.dataclass(frozen=True)
class Source:
    """One Python file.

    Attributes:
        file: Its path below the repository's root, with slashes.
        text: What stands in it.
    """

    file: str
    text: str

    @property
    def lines(self) -> list[str]:
        """The lines without their ends."""
        return self.text.splitlines()

    @property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, self.file)


def functions(source: Source) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, range]]:
    """Yields every function with the line numbers of its body, its docstring left out, outer functions first."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.end_lineno is None:
            continue

        first = node.body[0]
        if ast.get_docstring(node) is not None and first.end_lineno is not None:
            yield node, range(first.end_lineno + 1, node.end_lineno + 1)
        else:
            yield node, range(first.lineno, node.end_lineno + 1)


def check_paragraphs(sources: Sequence[Source]) -> Iterator[Finding]:
    """Yields long bodies without a blank line and, where blank lines are too few, the files with the fewest."""
    shares: list[tuple[float, Source]] = []
    total_blank = total = 0
    for source in sources:
        lines = source.lines
        blank = {number for number, line in enumerate(lines, start=1) if not line.strip()}
        inside: set[int] = set()  # a nested function's lines count once
        for function, body in functions(source):
            inside |= set(body)
            if len(body) >= LONG_BODY and not blank & set(body):
                problem = f"{function.name} has {len(body)} lines without a blank one; part its phases"
                yield Finding(source.file, function.lineno, problem)

        total += len(inside)
        total_blank += len(inside & blank)
        if inside:
            shares.append((len(inside & blank) / len(inside), source))

    if total_blank < BLANK_SHARE * total:
        over_all = f"{total_blank / total:.1%} of all lines inside functions are blank, {BLANK_SHARE:.0%} are asked for"
        for share, source in sorted(shares, key=lambda entry: (entry[0], -len(entry[1].lines)))[:WORST_FILES]:
            yield Finding(source.file, 1, f"{share:.1%} of the lines inside functions are blank ({over_all})")


def check_length(source: Source) -> Iterator[Finding]:
    """Yields a file that is too long."""
    count = len(source.lines)
    if count > MAX_FILE_LINES:
        yield Finding(source.file, count, f"{count} lines, {MAX_FILE_LINES} at most; part it into modules of one idea")


def check_words(source: Source) -> Iterator[Finding]:
    """Yields refused names, and refused words in names, comments and strings."""
    allowed = ALLOWED.get(source.file, {})
    for line, text in sorted(_texts(source)):
        for word in sorted(set(re.findall(r"\w+", text))):
            parts = {part.lower() for part in _PART.findall(word)}
            replacements = {NAMES[word]} if word in NAMES else {WORDS[part] for part in parts if part in WORDS}
            if replacements and word not in allowed:
                yield Finding(source.file, line, f"{word!r}: write {'; '.join(sorted(replacements))}")


def _texts(source: Source) -> Iterator[tuple[int, str]]:
    """Yields names, comments and lines of strings (docstrings among them) with their line numbers."""
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type in (tokenize.NAME, tokenize.COMMENT):
            yield token.start[0], token.string

    # From the tree, not from the tokens: those of f-strings differ between versions of Python.
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for offset, line in enumerate(node.value.split("\n")):
                yield min(node.lineno + offset, node.end_lineno or node.lineno), line


def check_imports(source: Source) -> Iterator[Finding]:
    """Yields imports inside functions, and a module's `__getattr__`, which hides them."""
    if source.file in IMPORT_GATES:
        return

    for function, _ in functions(source):
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield Finding(source.file, node.lineno, "import inside a function; move it to the top of the file")

    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__getattr__":
            yield Finding(source.file, node.lineno, "a module's __getattr__ hides imports; import the names")


def check(sources: Sequence[Source]) -> list[Finding]:
    """Returns everything that is wrong in a package, by file and line."""
    findings = set(check_paragraphs(sources))  # a set, since an import in a nested function is met twice
    for source in sources:
        findings |= {*check_length(source), *check_words(source), *check_imports(source)}
    return sorted(findings)


def read_sources(root: Path) -> list[Source]:
    """Reads the files that the rules are for."""
    files: list[Path] = []
    for name in CHECKED:
        place = root / name
        files += sorted(place.rglob("*.py")) if place.is_dir() else [place]
    return [Source(file.relative_to(root).as_posix(), file.read_text(encoding="utf-8")) for file in files]


def main() -> int:
    """Prints the findings; returns the exit code."""
    findings = check(read_sources(ROOT))
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
