import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from greenkd.sweep import quote_functions

TYPED = {
    "temperature.search={training.lr: log(0.01,0.2)}": {"training.lr": "log(0.01,0.2)"},
    "temperature.search={objective.alpha: [0.5, 0.99], training.lr: log[0.01, 0.2]}": {
        "objective.alpha": [0.5, 0.99],
        "training.lr": "log(0.01, 0.2)",
    },
    "+temperature.search.training.lr=tag(log, interval(0.01, 0.2))": "tag(log, interval(0.01, 0.2))",
    'temperature.search={a: range(1, 5), b: "range(1, 5)", c: [x, y]}': {
        "a": "range(1, 5)",
        "b": "range(1, 5)",
        "c": ["x", "y"],
    },
    "temperature.search={objective: {alpha: interval(0.5, 0.9)}}": {"objective": {"alpha": "interval(0.5, 0.9)"}},
    "temperature.search=null": None,
}


@pytest.mark.parametrize("word", TYPED)
def test_hydra_reads_functions_of_a_search_as_texts(word: str) -> None:
    (quoted,) = quote_functions([word])
    override = OverridesParser.create().parse_override(quoted)
    assert not override.is_sweep_override()
    assert override.value() == TYPED[word]
    assert quote_functions([quoted]) == [quoted]


def test_other_words_stay_as_they_are() -> None:
    words = ["-m", "seed=range(0,3)", "temperature=grid,optuna", "temperature.taus=[2,4]", "hydra.job.name=log(1)"]
    assert quote_functions(words) == words
