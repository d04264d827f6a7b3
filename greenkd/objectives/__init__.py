"""Objectives: the loss that turns student outputs, teacher outputs, labels and τ into a number."""

from greenkd.objectives.base import Batch, Objective, Setup

__all__ = ["Batch", "Objective", "Setup"]
