"""Each rule is broken once on a small file; the same file without the breach passes."""

import subprocess
import sys

import pytest

from scripts import check_style
from scripts.check_style import Source, check


def problems(text: str, file: str = "greenkd/example.py") -> list[str]:
    return [str(finding) for finding in check([Source(file, text)])]


def body(lines: int, *, blank_after: int | None = None) -> str:
    """A function with so many lines of code, and a blank one behind one of them."""
    code = [f"    x{number} = {number}" for number in range(lines)]
    if blank_after is not None:
        code.insert(blank_after, "")
    return "\n".join(["def work():", '    """Works."""', *code, ""])


def test_too_few_blank_lines_name_the_file_and_its_share() -> None:
    assert problems(body(20)) == [
        "greenkd/example.py:1: 0.0% of the lines inside functions are blank "
        "(0.0% of all lines inside functions are blank, 7% are asked for)"
    ]
    assert problems(body(12, blank_after=6)) == []


def test_blank_lines_count_over_the_whole_package() -> None:
    dense, airy = Source("greenkd/dense.py", body(10)), Source("greenkd/airy.py", body(5, blank_after=2))
    assert check([dense]) != []
    assert check([dense, airy, airy]) == []


def test_the_ten_files_with_the_fewest_blank_lines_are_named() -> None:
    sources = [Source(f"greenkd/f{number:02}.py", body(20)) for number in range(15)]
    sources.append(Source("greenkd/airy.py", body(10, blank_after=5)))
    named = {finding.file for finding in check(sources)}
    assert len(named) == 10
    assert "greenkd/airy.py" not in named


def test_a_long_body_needs_a_blank_line() -> None:
    airy = [Source("greenkd/airy.py", body(4, blank_after=2))] * 20
    assert check([*airy, Source("greenkd/example.py", body(24))]) == []
    (finding,) = check([*airy, Source("greenkd/example.py", body(25))])
    assert str(finding) == "greenkd/example.py:1: work has 25 lines without a blank one; part its phases"


def test_neither_docstrings_nor_nested_functions_are_counted_twice() -> None:
    text = '''def f():
    """One.


    Two.
    """
    def g():
        """Three."""
        return 1

    return g
'''
    (_, outer), (_, inner) = check_style.functions(Source("x.py", text))
    assert (list(outer), list(inner)) == ([7, 8, 9, 10, 11], [9])
    assert problems(text) == []  # one of five lines is blank


def test_a_file_of_300_lines_passes_and_one_of_301_does_not() -> None:
    assert problems("x = 1\n" * 300) == []
    assert problems("x = 1\n" * 301) == [
        "greenkd/example.py:301: 301 lines, 300 at most; part it into modules of one idea"
    ]


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("class EnergyBook: ...", 1, "EnergyBook"),
        ("\nopen_bench = 1", 2, "open_bench"),
        ("x = EnergyBooks()", 1, "EnergyBooks"),
        ("_OVER = ()", 1, "_OVER"),
        ("x = 1  # on the books", 1, "books"),
        ('"""Says.\n\nWhat a helper does.\n"""', 3, "helper"),
        ('raise ValueError(f"{1} of the Bills")', 1, "Bills"),
    ],
)
def test_replaced_words_are_found_wherever_they_stand(text: str, line: int, word: str) -> None:
    (found,) = problems(text)
    assert found.startswith(f"greenkd/example.py:{line}: '{word}': write ")


@pytest.mark.parametrize(
    "text", ["capabilities = 1", "benchmarks = 1  # benchmark", "federated = 'Facebook, feedback'"]
)
def test_words_that_only_contain_a_replaced_one_pass(text: str) -> None:
    assert problems(text) == []


def test_an_exception_holds_for_its_file_alone() -> None:
    assert problems('x = "booked_s"', "greenkd/records/schema.py") == []
    assert len(problems('x = "booked_s"', "greenkd/records/sweep.py")) == 1


def test_imports_stand_at_the_top_but_for_the_gate() -> None:
    text = "def f():\n    def g():\n        import json\n\n        return json\n\n    return g\n"
    assert problems(text) == ["greenkd/example.py:3: import inside a function; move it to the top of the file"]
    assert problems(text, "greenkd/sweep/command.py") == []
    assert problems("from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import json\n") == []


def test_a_modules_getattr_hides_imports_and_a_classes_does_not() -> None:
    text = "def __getattr__(name):\n    x = 1\n\n    return x\n"
    assert problems(text) == ["greenkd/example.py:1: a module's __getattr__ hides imports; import the names"]
    assert problems("class C:\n" + "".join(f"    {line}\n" if line else "\n" for line in text.splitlines())) == []


def test_the_command_reads_the_package_and_exits_with_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {source.file for source in check_style.read_sources(check_style.ROOT)}
    assert {"run.py", "greenkd/records/ledger.py", "analysis/cli.py"} <= files
    assert not any(file.startswith(("tests", "scripts")) for file in files)

    for text, code in (("x = 1\n", 0), ("bill = 1\n", 1)):
        monkeypatch.setattr(check_style, "read_sources", lambda _, text=text: [Source("run.py", text)])
        assert check_style.main() == code


def test_the_command_needs_nothing_but_python() -> None:
    script = check_style.ROOT / "scripts" / "check_style.py"
    code = f"import sys; sys.path.insert(0, {str(script.parent)!r}); import check_style"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
