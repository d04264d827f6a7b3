"""The words of the report, one line each, for people who meet them for the first time."""

import re

GLOSSARY = {
    "τ": (
        "τ, temperature",
        "The number that the outputs of teacher and student are divided by before the student imitates the teacher. "
        "τ = 1 leaves them as they are; a larger τ shows more of what the teacher thinks of the wrong classes.",
    ),
    "distillation": (
        "knowledge distillation",
        "A small network, the student, is trained to imitate a large one, the teacher.",
    ),
    "strategy": (
        "strategy",
        "A way of choosing τ: one fixed value, a grid of values, a search, or a random τ for every batch.",
    ),
    "fixed": ("fixed", "Every training has the same τ, named beforehand. Nothing is chosen, so it costs one training."),
    "grid": ("grid", "One training for each τ of a list; the best on the validation images is kept."),
    "optuna": ("optuna", "A search: a sampler proposes each τ from the results of those before it."),
    "stochastic": ("stochastic", "τ is drawn at random for every batch of one single training."),
    "restarts": (
        "restarts",
        "Several trainings at one τ, of which the best is kept: what choosing the luckiest buys without choosing τ.",
    ),
    "setting": (
        "setting",
        "Everything but strategy and seed: data set, teacher, student, objective (the loss) and recipe. Only "
        "strategies of one setting are compared.",
    ),
    "seed": (
        "seed",
        "The number that all chance of a run follows from. Each seed is a repetition of the whole comparison.",
    ),
    "trial": ("trial, training", "One training of the student at one τ. A search consists of several."),
    "campaign": ("campaign", "All trials of one strategy in one setting under one seed: one folder of records."),
    "score": (
        "test and validation score",
        "Accuracy is the share of images that are labelled rightly; mAP, of detection, the mean average precision. τ "
        "is chosen on validation images; test images are looked at once, after the choice.",
    ),
    "cross-entropy": (
        "CE, cross-entropy",
        "How far the predicted probabilities are from the right label, in nats. Lower is better; it sees differences "
        "that accuracy does not.",
    ),
    "ece": (
        "ECE, expected calibration error",
        "How far confidence and accuracy lie apart, on average over images. Lower is better.",
    ),
    "gain": ("gain", "Test score of a strategy less that of its reference, in percentage points, mean over seeds."),
    "interval": (
        "interval, band (95 %)",
        "Other seeds would have given another gain; the values that the seeds at hand leave possible are in the "
        "interval. With several looks and several verdicts it is wider, so that all of them hold together.",
    ),
    "margin": (
        "margin",
        "The smallest gain that you would pay for, in percentage points. Set by --margin.",
    ),
    "verdict": (
        "verdict",
        "worth it (of equal cost: better): the whole interval lies above the margin. Not worth it (no better): it "
        "lies below. Cannot tell: the margin lies inside; more seeds would help. Equal: all scores are the same.",
    ),
    "primary": (
        "primary, secondary",
        "The first verdict of a setting has the full 5 % of chance to be wrong; its others share 5 % between them.",
    ),
    "look": (
        "look",
        "Each time that verdicts are printed with more seeds. Who looks often finds something by chance, so each look "
        "is stricter than a single one would be.",
    ),
    "multiple": (
        "×fixed, ×stochastic, ×teacher, ×reference",
        "How many times as much it cost as that strategy, or as training the teacher once.",
    ),
    "energy": (
        "energy: mWh, Wh, kWh",
        "What the processors drew while τ was chosen. Measured: a sensor was read. Modelled: computed from load. "
        "Constant: a fixed wattage × time.",
    ),
    "co2": (
        "CO₂eq",
        "Energy × the carbon intensity of the grid it came from; PUE adds what cooling a data centre takes.",
    ),
    "cpu": (
        "CPU s",
        "Seconds that processor cores worked, added up. They stand for energy where no sensor could be read.",
    ),
    "flop": ("FLOP", "Arithmetic operations: GFLOP 10⁹, TFLOP 10¹², PFLOP 10¹⁵. They do not depend on the machine."),
    "start-up": ("start-up", "Starting Python and loading libraries: spent, but no part of choosing τ."),
    "pareto": ("Pareto front", "The strategies that no other one beats in both score and cost."),
}

# What headers of tables speak of; the first that fits counts.
_HEADERS = tuple(
    (re.compile(pattern), key)
    for pattern, key in (
        (r"^×", "multiple"),
        (r"\bECE\b", "ece"),
        (r"\bCE\b", "cross-entropy"),
        (r"^start-up", "start-up"),
        (r"CPU (s|min|h)\b", "cpu"),
        (r"FLOP", "flop"),
        (r"Wh\b", "energy"),
        (r"CO₂", "co2"),
        (r"^(val\.|test|best val\.) |^acc\.", "score"),
        (r"^gain", "gain"),
        (r"interval|bootstrap|seeds × images|paired t", "interval"),
        (r"^verdict", "verdict"),
        (r"^rank", "primary"),
        (r"^level|^p\(", "look"),
        (r"seeds?$", "seed"),
        (r"τ", "τ"),
        (r"^strategy|^over$|^class", "strategy"),
        (r"^setting", "setting"),
        (r"trial|trainings|attempts", "trial"),
        (r"^campaign", "campaign"),
    )
)


def term_of(header: str) -> str:
    """Returns the key of the glossary that explains a table's header; empty where it speaks for itself."""
    return next((key for pattern, key in _HEADERS if pattern.search(header.replace("\n", " "))), "")
