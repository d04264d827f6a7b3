"""Meters: one file per kind of sensor or model, behind the interface of `base`."""
