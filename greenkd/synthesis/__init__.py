"""Images without the data set's: made from a teacher, taken from another data set, or noise.

Each module holds one way as the options of the group `transfer` and as what makes the images, in rounds. `pool` keeps
them in the cache.
"""

from greenkd.synthesis.base import Synthesiser, SynthesisSetup, Transfer
from greenkd.synthesis.cmi import CMI
from greenkd.synthesis.deepinv import DeepInversion
from greenkd.synthesis.fast import Fast
from greenkd.synthesis.noise import Noise
from greenkd.synthesis.unlabelled import Unlabelled

__all__ = ["CMI", "DeepInversion", "Fast", "Noise", "SynthesisSetup", "Synthesiser", "Transfer", "Unlabelled"]
