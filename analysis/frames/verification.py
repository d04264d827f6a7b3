"""Whether files are what was written: manifests, the checksums of lines and documents, the digests of weights."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

from analysis.frames.packed import unpack_packed
from analysis.frames.problem import Problem
from analysis.frames.reading import caches_of
from greenkd import records
from greenkd.errors import AnalysisError
from greenkd.records import RecordError, checksum, manifest
from greenkd.records.checksum import CheckResult
from greenkd.records.lines import parse_lines
from greenkd.records.weights_digest import weights_problem
from greenkd.whereabouts import analysis_command

# JSON documents of ours; whatever else lies among them is no concern of ours.
_DOCUMENTS = frozenset({"campaign.json", "teacher.json", "estimate.json", "looks.json", "pool.json", manifest.FILE})


@dataclasses.dataclass(frozen=True)
class Verification:
    """What was held against its checksums, and what does not fit.

    Attributes:
        campaigns: Campaigns that were looked at.
        files: Files that were.
        unchecked: Those that bear no checksum and stand in no manifest, as earlier versions wrote them.
        problems: What is not as it was written.
    """

    campaigns: int
    files: int
    unchecked: int
    problems: tuple[Problem, ...]


def verify(roots: Iterable[Path]) -> Verification:
    """Checks every file below some folders, and what their campaigns used of their cache.

    Of the cache that is the teachers of these campaigns and the ledgers of stored logits. Stored logits are checked
    whenever they are read, and computed again where they are damaged.

    Args:
        roots: The sweeps' folders.

    Raises:
        AnalysisError: A folder does not exist, or none holds a campaign.
    """
    roots = list(roots)
    for root in roots:
        if not root.is_dir():
            raise AnalysisError(f"{root} is no folder; name a sweep's: {analysis_command()} multirun/<sweep> --verify")
    damaged: list[Problem] = []
    unpack_packed(roots, damaged)
    campaigns = [folder for root in roots for folder in records.find_campaigns(root)]
    if not campaigns:
        raise AnalysisError(f"no campaign found below {', '.join(map(str, roots))}: there is no campaign.json")

    # Each file once, however many campaigns share it
    listed = [path for root in roots for path in sorted(root.rglob("*")) if _is_ours(path)]
    listed += [path for folder in campaigns for path in _in_caches(folder)]
    files = {path.resolve(): path for path in listed}.values()

    # First the manifests, then what each file says of itself
    in_manifests = {name: problem for folder in campaigns for name, problem in _against_manifest(folder).items()}
    problems = damaged
    problems += [Problem(str(path), problem) for path, problem in in_manifests.items() if problem is not None]
    unchecked = 0
    for path in files:
        problem, is_checked = _check(path, in_manifest=path in in_manifests)
        unchecked += not is_checked and path not in in_manifests
        if problem is not None and in_manifests.get(path) is None:
            problems.append(Problem(str(path), problem))
    return Verification(len(campaigns), len({*files, *in_manifests}), unchecked, tuple(problems))


def campaign_files(folder: Path) -> str:
    """Says in a few words whether the files of one campaign are as they were when it finished."""
    in_manifest = _against_manifest(folder)
    if not in_manifest:
        return "no manifest"
    changed = [path.name for path, problem in in_manifest.items() if problem is not None]
    return f"not as written: {', '.join(changed)}" if changed else f"{len(in_manifest)} as written"


def _against_manifest(folder: Path) -> dict[Path, str | None]:
    """Returns the files in a campaign's manifest, each with what is wrong with it; empty without a manifest."""
    try:
        found = manifest.read_manifest(folder)
    except RecordError:
        return {folder / manifest.FILE: "was changed since it was written: it says nothing of the other files any more"}
    if found is None:
        return {}

    wrong = manifest.differences(folder, found)
    return {folder / name: wrong.get(name) for name in found.files}


def _is_ours(path: Path) -> bool:
    return path.suffix in (".jsonl", ".safetensors") or path.name in _DOCUMENTS


def _in_caches(folder: Path) -> Iterator[Path]:
    """Yields the files in the cache that a campaign rests on."""
    try:
        teacher = records.read_campaign(folder / "campaign.json").teacher_result
    except (RecordError, OSError):  # it is among the problems already
        teacher = None

    for cache in caches_of(folder):
        yield from sorted(cache.glob("logits/*/ledger*.jsonl"))
        if teacher is not None:
            yield from filter(_is_ours, sorted((cache / "teachers" / teacher.key).glob("*")))


def _check(path: Path, *, in_manifest: bool) -> tuple[str | None, bool]:
    """Holds a file against the checksums in it.

    Args:
        path: The file.
        in_manifest: Its manifest knows it: a line that is cut off had been so when the campaign finished.

    Returns:
        What is wrong, None if nothing is; and whether the file bears checksums at all.
    """
    try:
        if path.suffix == ".safetensors":
            return weights_problem(path), True

        content = records.read_bytes(path) or b""
        if path.suffix == ".json":
            records.read_json(path)
            return None, checksum.verify(content) is CheckResult.AS_WRITTEN
    except (RecordError, OSError) as error:
        return str(error).removeprefix(f"{path}: "), True

    objects, torn, changed = parse_lines(content)
    is_checked = all(isinstance(fields, dict) and checksum.KEY in fields for _, fields in objects)
    if changed:
        numbers = ", ".join(str(number) for number, _ in changed)
        return f"changed since it was written: line {numbers}", True
    if torn and not in_manifest:
        return f"{len(torn)} line(s) cut off, or changed since they were written", True
    return None, is_checked
