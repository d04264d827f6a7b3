"""Whether given weights were trained on the images that validate here: read from the gap between two accuracies."""

import math

# The gap is named where chance alone makes one as large once in ten thousand teachers that have seen neither split.
_LIMIT = 1e-4


def chance_of_gap(val_hits: int, val_images: int, test_hits: int, test_images: int) -> float:
    """Returns how likely so many of all right answers lie in the validation split, or more, by chance.

    A teacher that has seen neither split answers each image of either rightly with one probability, whatever that is:
    two binomial counts. Given their sum, the count in the validation split is hypergeometric (Fisher's exact test, one
    side).

    Args:
        val_hits: Right answers in the validation split.
        val_images: Its size.
        test_hits: Right answers in the test split.
        test_images: Its size.
    """
    hits, images = val_hits + test_hits, val_images + test_images
    whole = _log_choose(images, hits)
    terms = [
        _log_choose(val_images, count) + _log_choose(test_images, hits - count) - whole
        for count in range(max(val_hits, hits - test_images), min(val_images, hits) + 1)
    ]
    return min(math.fsum(map(math.exp, terms)), 1.0)


def seen_validation(val_score: float, val_images: int, test_score: float, test_images: int) -> str | None:
    """Says that a teacher has seen the validation split, where its accuracies show it.

    Args:
        val_score: Accuracy on the validation split, 0…1.
        val_images: Its size.
        test_score: Accuracy on the test split, 0…1.
        test_images: Its size.

    Returns:
        A sentence for people; None where chance alone may make such a gap.
    """
    chance = chance_of_gap(round(val_score * val_images), val_images, round(test_score * test_images), test_images)
    if chance >= _LIMIT:
        return None

    return (
        f"{100 * val_score:.1f} % of {val_images:,} validation images but {100 * test_score:.1f} % of {test_images:,} "
        f"test images are right (by chance: {_probability(chance)}): these weights were trained on images that "
        "validate here. The teacher's validation accuracy says nothing, and τ is chosen on images that it knows; the "
        "test accuracy is not concerned. A teacher trained here has not seen them: leave out its weights"
    )


def _log_choose(images: int, chosen: int) -> float:
    return math.lgamma(images + 1) - math.lgamma(chosen + 1) - math.lgamma(images - chosen + 1)


def _probability(chance: float) -> str:
    return f"{chance:.0e}" if chance > 1e-12 else "below 1e-12"
