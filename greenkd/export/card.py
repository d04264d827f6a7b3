"""The model card: Markdown under the front matter that Hugging Face's hub reads, written from records alone.

Front matter: https://huggingface.co/docs/hub/model-cards; `tests/export/test_card.py` reads it with their library.
"""

from collections.abc import Collection, Sequence
from typing import Any

import yaml

from greenkd.export.card_costs import cost_section, emissions
from greenkd.export.card_usage import usage_section
from greenkd.export.facts import Candidate, StudentFacts
from greenkd.records.campaign import REAL

CARD = "README.md"

_HUB_TASKS = {"classification": "image-classification", "detection": "object-detection"}
_HUB_METRICS = {"mAP": "mean_average_precision"}
_MOST_CANDIDATES = 20


def model_card(facts: StudentFacts, files: Collection[str]) -> str:
    """Returns a student's model card.

    Args:
        facts: The student's.
        files: Names of the exported files that lie beside the card.
    """
    front = yaml.safe_dump(_front_matter(facts, files), sort_keys=False, allow_unicode=True)
    sections = [
        _title(facts),
        _results_section(facts),
        usage_section(facts, files),
        _choice_section(facts),
        cost_section(facts),
        _limits_section(facts),
        _origin_section(facts),
    ]
    return f"---\n{front}---\n\n" + "\n\n".join(sections) + "\n"


def _front_matter(facts: StudentFacts, files: Collection[str]) -> dict[str, Any]:
    task, metric = _HUB_TASKS[facts.data.task], _HUB_METRICS.get(facts.metric, facts.metric)
    kinds = [kind for kind in ("safetensors", "onnx") if f"model.{kind}" in files]
    result = {
        "task": {"type": task},
        "dataset": {"name": facts.dataset, "type": facts.dataset, "split": "test"},
        "metrics": [{"type": metric, "value": round(facts.test.score, 6), "name": f"Test {facts.metric}"}],
    }
    return {
        "license": "unknown",
        "library_name": "greenkd",
        "pipeline_tag": task,
        "tags": ["knowledge-distillation", "pytorch", *kinds],
        "datasets": [facts.dataset],
        "metrics": [metric],
        **emissions(facts.costs),
        "model-index": [{"name": facts.name, "results": [result]}],
    }


def _title(facts: StudentFacts) -> str:
    learned = "trained" if facts.teacher is None else f"distilled from {facts.teacher.name}"
    smoke = "\n\n**This is a smoke run on made-up pictures: its scores mean nothing.**" if facts.smoke else ""
    return (
        f"# {facts.student}, {learned} on {facts.dataset}{smoke}\n\n"
        f"A network for {facts.data.task} of {facts.data.num_classes} classes, trained by "
        f"[greenkd](#made-by), which records what choosing the distillation temperature τ costs."
    )


def _results_section(facts: StudentFacts) -> str:
    test = facts.test
    lines = [
        ("test " + facts.metric, _percent(test.score)),
        (_selected_by(facts), _percent(facts.val_score)),
        ("test loss", f"{test.loss:.4g}"),
        ("expected calibration error", _percent(test.calibration_error)),
        *((name, _percent(value)) for name, value in (test.details or {}).items()),
        ("parameters", _count(facts.parameters)),
        ("forward MFLOP per image", _count(_mega(facts.forward_flops_per_image))),
    ]
    if facts.teacher is not None:
        lines += [
            (f"teacher {facts.teacher.name}: test {facts.metric}", _percent(facts.teacher.test_score)),
            ("teacher's parameters", _count(facts.teacher.parameters)),
        ]
    return "## Results\n\n" + _table(("", "value"), [line for line in lines if line[1]])


def _choice_section(facts: StudentFacts) -> str:
    """Says how τ was chosen, and from what."""
    several = len(facts.candidates) > 1
    chosen = _params(facts.params) or "no single τ: it varies within the training"
    lines = [
        f"- chosen: {chosen}",
        f"- strategy: `{facts.strategy}`" + (f" (how τ comes about: {facts.tau_class})" if facts.tau_class else ""),
        f"- trainings: {len(facts.candidates)} of {facts.planned_trials} planned, seed {facts.seed}",
        f"- loss: `{facts.objective}`",
        f"- rule: {_rule(facts) if several else 'one training, so there was nothing to choose'}",
        "- test set: opened once, after the choice was on record",
    ]
    if facts.tau_source is not None:
        source = facts.tau_source
        lines.append(
            f"- taken from an earlier search: `{source.strategy}` on {source.dataset}, {source.trainings} trainings, "
            "whose costs are not counted here"
        )
    if facts.message:
        lines.append(f"- not complete: {facts.message}")
    section = "## How τ was chosen\n\n" + "\n".join(lines)
    return section if not several else f"{section}\n\n{_candidates(facts)}"


def _rule(facts: StudentFacts) -> str:
    where = (
        f"best {facts.metric} on a validation split cut from the training images"
        if facts.selection == "validation"
        else "most agreement with the teacher on held-out synthetic images"
    )
    return f"{where}, at the last epoch; ties go to the lower loss, then to the first"


def _selected_by(facts: StudentFacts) -> str:
    """Returns what trainings are compared by, in words."""
    return f"validation {facts.metric}" if facts.selection == "validation" else "agreement with the teacher"


def _candidates(facts: StudentFacts) -> str:
    def key(candidate: Candidate) -> tuple[bool, float, int]:
        score = candidate.val_score
        return (score is None, 0.0 if score is None else -score, candidate.trial)

    best = sorted(facts.candidates, key=key)[:_MOST_CANDIDATES]
    left_out = len(facts.candidates) - len(best)
    rows = [
        (
            str(candidate.trial) + (" (chosen)" if candidate.trial == facts.test.trial else ""),
            _params(candidate.params) or "–",
            _percent(candidate.val_score) or "–",
            candidate.status,
        )
        for candidate in sorted(best, key=lambda candidate: candidate.trial)
    ]
    note = f"\n\n{left_out} more trainings scored lower and are left out." if left_out else ""
    return _table(("training", "parameters", _selected_by(facts), "ended"), rows) + note


def _limits_section(facts: StudentFacts) -> str:
    data = facts.data
    kind = f"{data.image_size}×{data.image_size} {'grey' if data.in_channels == 1 else 'RGB'}"
    lines = [
        f"- It was trained for research on how τ is chosen, on {kind} images of {facts.dataset}. Other images may be "
        "answered wrongly, and with high confidence.",
        "- The score is of one seed and one split. Other seeds give other scores.",
        "- No licence is chosen (`license: unknown`), and the terms of the data set hold too: choose one before you "
        "publish.",
    ]
    if facts.transfer != REAL:
        lines.append(f"- The student saw other images than the data set's: transfer={facts.transfer}.")
    if facts.numbered_classes:
        lines.append("- The names of the classes are not on record; numbers stand in their places.")
    names = ", ".join(data.class_names[:_MOST_CANDIDATES])
    more = f", … ({data.num_classes} in all)" if data.num_classes > _MOST_CANDIDATES else ""
    return "## Intended use and limits\n\n" + "\n".join(lines) + f"\n\nClasses: {names}{more}."


def _origin_section(facts: StudentFacts) -> str:
    return (
        f"## Made by\n\ngreenkd {facts.greenkd}, campaign `{facts.campaign_id}` of sweep `{facts.sweep}`, begun "
        f"{facts.created_at}. Everything here is read from that campaign's records."
    )


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _params(params: dict[str, Any]) -> str:
    return ", ".join(f"{'τ' if name == 'tau' else name} {_value(value)}" for name, value in params.items())


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f} %"


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"


def _mega(value: float | None) -> float | None:
    return None if value is None else value / 1e6
