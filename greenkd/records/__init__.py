"""The schema of every file that a campaign writes, and the files. No torch here: `analysis` stands on this room.

A campaign's folder holds

    config.yaml        the resolved configuration
    campaign.json      CampaignRecord: who, what, the chosen trial, its test score, totals, versions
    trials.jsonl       TrialRow, one line per finished attempt of a trial
    epochs.jsonl       EpochRow, one line per epoch of an attempt
    tests.jsonl        CorrectnessRow, one line per tested trial: which test images it got right
    steps.jsonl        StepsRow, τ and loss of every batch, for schedules that change τ within a training
    ledger.jsonl       LedgerRow, one line per metered interval
    study.db           the Optuna study (SQLite), for optuna-dashboard
    student.safetensors  weights of the chosen trial's student at its last epoch
    manifest.json      once it has finished: length and SHA-256 of these files

A sweep's folder, above its campaigns', may hold

    estimate.json      EstimateRecord: what `estimate=true` said, and how good it was
    calibration.jsonl  LedgerRow: what estimates, idle windows and calibrations between blocks took
    pools/<key>.png    a contact sheet of each pool of images that students saw in the data set's place
    blocks.jsonl       BlockRow, one line per block of `order=interleaved`
    processes.jsonl    ProcessRow, one line per command: its whole window, and how much of it is in ledgers

Rows of one name lie in several files where several processes wrote them, `ledger.<host>-<pid>-<six digits>.jsonl`
beside `ledger.jsonl` (see `row_files`); readers merge them.

Units stand in the names. A score is the task's metric, named by the campaign's `metric`; accuracies are fractions in
[0, 1]. `None` (null) means not measured, never zero. Lines are only ever appended, each in one write; `campaign.json`
is replaced as a whole. Lines and documents end in a checksum, `check`. Files of schema version 1 (greenkd 0.1) are read
as well.
"""

from greenkd.errors import DamagedRecordError, RecordError
from greenkd.records.campaign import (
    CampaignOutline,
    CampaignRecord,
    Environment,
    InferenceRecord,
    NetworkRecord,
    Selected,
    TauSource,
    TeacherRecord,
    TestResult,
    searching_name,
)
from greenkd.records.correctness import read_correctness
from greenkd.records.data import DataRecord
from greenkd.records.documents import (
    find_campaigns,
    read_campaign,
    read_estimate,
    read_json,
    read_outline,
    read_teacher,
    write_campaign,
    write_estimate,
    write_json,
    write_teacher,
)
from greenkd.records.enums import CampaignStatus, Phase, Source, StrategyKind, TrialStatus
from greenkd.records.files import not_written, open_file, read_bytes, write_bytes, write_text
from greenkd.records.folders import make_folder
from greenkd.records.ledger import (
    UNMETERED,
    Costs,
    LedgerRow,
    Machine,
    SecondaryReading,
    add_costs,
    is_start_up,
    meter_of,
    scale_costs,
    sum_costs,
)
from greenkd.records.lines import Lines, append_row, read_rows
from greenkd.records.pool import PoolRecord
from greenkd.records.schema import SCHEMA_VERSION
from greenkd.records.selection import choose_trial
from greenkd.records.sweep import BlockRow, CostEstimate, EstimateOutcome, EstimateRecord, ProcessRow
from greenkd.records.trial import CorrectnessRow, EpochRow, StepsRow, TrialRow

__all__ = [
    "SCHEMA_VERSION",
    "UNMETERED",
    "BlockRow",
    "CampaignOutline",
    "CampaignRecord",
    "CampaignStatus",
    "CorrectnessRow",
    "CostEstimate",
    "Costs",
    "DamagedRecordError",
    "DataRecord",
    "Environment",
    "EpochRow",
    "EstimateOutcome",
    "EstimateRecord",
    "InferenceRecord",
    "LedgerRow",
    "Lines",
    "Machine",
    "NetworkRecord",
    "Phase",
    "PoolRecord",
    "ProcessRow",
    "RecordError",
    "SecondaryReading",
    "Selected",
    "Source",
    "StepsRow",
    "StrategyKind",
    "TauSource",
    "TeacherRecord",
    "TestResult",
    "TrialRow",
    "TrialStatus",
    "add_costs",
    "append_row",
    "choose_trial",
    "find_campaigns",
    "is_start_up",
    "make_folder",
    "meter_of",
    "not_written",
    "open_file",
    "read_bytes",
    "read_campaign",
    "read_correctness",
    "read_estimate",
    "read_json",
    "read_outline",
    "read_rows",
    "read_teacher",
    "scale_costs",
    "searching_name",
    "sum_costs",
    "write_bytes",
    "write_campaign",
    "write_estimate",
    "write_json",
    "write_teacher",
    "write_text",
]
