"""Objectives: the loss that turns student outputs, teacher outputs, labels and τ into a number."""

from greenkd.objectives.annealing_kd import AnnealingKD
from greenkd.objectives.base import NO_MATRIX_PRODUCTS, LossFlops, LossInputs, Objective, Setup
from greenkd.objectives.crd import CRD
from greenkd.objectives.cross_entropy import CrossEntropy
from greenkd.objectives.divergence import Reduction, softened_kl
from greenkd.objectives.dkd import DKD
from greenkd.objectives.dml import DML
from greenkd.objectives.kd import KD
from greenkd.objectives.label_smoothing import LabelSmoothing
from greenkd.objectives.ssd import SSD
from greenkd.objectives.ssd_dml import SSDDML
from greenkd.objectives.ssd_kd import SSDKD, SSDSelf
from greenkd.objectives.ssd_reg import SSDReg
from greenkd.objectives.tfkd_reg import TfKDReg
from greenkd.objectives.tfkd_self import TfKDSelf
from greenkd.objectives.ttm import TTM

__all__ = [
    "CRD",
    "DKD",
    "DML",
    "KD",
    "NO_MATRIX_PRODUCTS",
    "SSD",
    "SSDDML",
    "SSDKD",
    "TTM",
    "AnnealingKD",
    "CrossEntropy",
    "LabelSmoothing",
    "LossFlops",
    "LossInputs",
    "Objective",
    "Reduction",
    "SSDReg",
    "SSDSelf",
    "Setup",
    "TfKDReg",
    "TfKDSelf",
    "softened_kl",
]
