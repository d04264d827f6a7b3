"""One process runs several campaigns and ends with one code."""

import itertools

from greenkd.sweep.exit_codes import ExitCode, graver


def test_the_graver_of_two_wins_in_either_order() -> None:
    order = [0, 3, 2, 1, 130]  # done, trials failed, refused, unforeseen, interrupted
    for mild, grave in itertools.combinations(map(ExitCode, order), 2):
        assert graver(mild, grave) is graver(grave, mild) is grave
