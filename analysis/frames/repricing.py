"""Campaign records with the grams of teacher, logits, synthesis and inference worked out anew."""

import dataclasses

import pandas as pd

from analysis.frames.meters import NO_METER, meters_by_campaign
from analysis.frames.pricing import Pricing
from greenkd.records import CampaignRecord, InferenceRecord


def reprice_records(
    campaign_records: dict[int, CampaignRecord], ledger: pd.DataFrame, pricing: Pricing
) -> dict[int, CampaignRecord]:
    """Returns the records with their grams worked out anew; those given where `pricing` changes no grams.

    Args:
        campaign_records: `campaign.json` of each campaign, by the campaign's number.
        ledger: The ledger frame, already re-priced; it says which PUE and intensity a campaign had.
        pricing: What replaces the recorded PUE and intensity.
    """
    if pricing.pue is None and pricing.intensity_g_per_kwh is None:
        return campaign_records

    meters = meters_by_campaign(ledger)
    repriced = {}
    for campaign, record in campaign_records.items():
        meter = meters.get(campaign, NO_METER)
        recorded = {"pue": meter["pue"], "intensity_g_per_kwh": meter["intensity_g_per_kwh"]}
        teacher = record.teacher_result

        repriced[campaign] = dataclasses.replace(
            record,
            teacher_result=teacher and dataclasses.replace(teacher, costs=pricing.costs(teacher.costs, **recorded)),
            logits_costs=pricing.costs(record.logits_costs, **recorded),
            synthesis_costs=pricing.costs(record.synthesis_costs, **recorded),
            student_inference=_reprice_inference(record.student_inference, pricing, recorded),
            teacher_inference=_reprice_inference(record.teacher_inference, pricing, recorded),
        )
    return repriced


def _reprice_inference(
    inference: InferenceRecord | None, pricing: Pricing, recorded: dict[str, float]
) -> InferenceRecord | None:
    if inference is None:
        return None
    costs = pricing.costs(inference.costs, **recorded)
    return inference if costs is None else dataclasses.replace(inference, costs=costs)
