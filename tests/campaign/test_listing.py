import itertools

from greenkd.campaign.listing import LISTED, describe
from greenkd.campaign.progress import CampaignState


def states(seeds: int, *odd: str) -> list[CampaignState]:
    labels = itertools.product(("grid", "stochastic"), ("digits",), ("a → b", "c → d"), ("kd",), range(seeds))
    words = itertools.chain(odd, itertools.repeat("done"))
    return [
        CampaignState((*names, f"seed {seed}"), 19, 19 if state == "done" else 2, 0, state)
        for (*names, seed), state in zip(labels, words, strict=False)
    ]


def test_few_campaigns_have_a_line_each() -> None:
    lines = describe(states(3)).splitlines()
    assert lines[0] == "12 campaigns, 228 trials, 228 of them done"
    assert len(lines) == 1 + 12


def test_thousands_are_summed_up_and_what_is_begun_stands_out() -> None:
    text = describe(states(500, "2 of 19 trials done, 17 to do", "to do", "to do"))
    lines = text.splitlines()

    assert len(lines) < LISTED / 4
    assert lines[0] == "2000 campaigns, 38000 trials, 37949 of them done"
    assert "      2 strategies: grid, stochastic" in lines
    assert "      2 pairs: a → b, c → d" in lines
    assert "    500 seeds: 0, 1, 2, …, 497, 498, 499" in lines
    assert "   1997 done" in lines
    assert "      2 to do" in lines
    assert sum("2 of 19 trials done" in line for line in lines[:-2]) == 1
    assert "seed 499" in lines[-1]
