"""The columns of every frame, with their units. `docs/analysis.md` prints these; tests hold the frames to them.

Missing is never zero: a figure that was not measured is NaN. A score is the task's metric, named by the column
`metric`; scores are fractions in [0, 1] here and per cent in printed tables. Energy is at the device (PUE 1); the power
usage effectiveness enters the grams only.
"""

_COSTS = {
    "energy_kwh": "energy at the device, kWh",
    "co2eq_g": "energy × PUE × carbon intensity, g CO₂eq",
    "duration_s": "wall-clock seconds",
    "cpu_s": "CPU seconds of the process and its children",
    "flops": "FLOPs, forward and backward as executed, teacher and student (1 MAC = 2 FLOPs)",
    "forward_flops": "the forward part of `flops`, the way the paper counts",
    "constant_kwh": "the part of `energy_kwh` that is a constant wattage × seconds, whatever was computed",
}
COST_COLUMNS = tuple(_COSTS)

# What spending may be drawn and budgeted in; `analysis.results.spending` says which.
SPENDING = {"energy_kwh": "energy", "cpu_s": "CPU time", "duration_s": "time"}


def _prefixed(prefix: str, meaning: str) -> dict[str, str]:
    return {f"{prefix}_{name}": f"{meaning}: {text}" for name, text in _COSTS.items()}


SETTING = ("dataset", "teacher", "student", "objective", "setting_id")

_SETTING_TEXT = {
    "dataset": "name of the data set; with other images than its own, those and what τ is chosen by",
    "teacher": "name of the teacher network",
    "student": "name of the student network",
    "objective": "name of the loss; where settings would share all names, what they differ in as well",
    "setting_id": "hash of everything but strategy and seed: rows that share it may be compared",
}

# What else the test of the chosen trial says.
_ENDPOINTS = {
    "test_loss": "its loss on the test set; cross-entropy in nats for classification",
    "test_calibration_error": "its expected calibration error there, 15 bins, fraction; NaN where a task has none",
}
TEST_MEASURES = ("test_score", *_ENDPOINTS)

CAMPAIGNS = {
    "campaign": "number of the campaign in this load; the key of the other frames",
    "folder": "the campaign's folder",
    "campaign_id": "hash of the campaign's configuration",
    "sweep": "name of the sweep",
    "status": "running, done, partial or failed",
    **_SETTING_TEXT,
    "strategy": "the option chosen by temperature=…",
    "kind": "fixed, grid, search, transfer, stochastic, restarts, adaptive (any with a rule) or custom",
    "class": "how τ comes about: fixed, search, random, scheduled, adaptive, or several of these joined by +",
    "temperature": "the resolved `temperature` group as JSON text, empty where config.yaml is missing",
    "seed": "the seed",
    "planned_trials": "trials the strategy asks for",
    "complete_trials": "trials with a complete attempt",
    "attempts": "attempts on record, killed ones included",
    "chosen_trial": "trial with the best validation score at its last epoch (tie: lower loss, lower number)",
    "chosen_tau": "its τ, NaN where τ is not one number",
    "chosen_params": "its schedule parameters, and its values of the searched settings",
    "searched": "settings that were searched besides τ, with the values that the configuration gives them",
    "tau_source": "the earlier search that τ was taken from, and what it cost; None where it was not",
    "metric": "what every score of the campaign is: accuracy for classification, mAP for detection",
    "val_score": "its validation score, fraction",
    "test_score": "its test score, fraction; NaN until the test set was opened",
    **_ENDPOINTS,
    "student_parameters": "number of the student's parameters",
    "student_forward_flops_per_image": "forward FLOPs of the student per image",
    "teacher_key": "content hash of the teacher",
    "teacher_users": "campaigns of this load that used that teacher",
    "teacher_parameters": "number of the teacher's parameters",
    "teacher_forward_flops_per_image": "forward FLOPs of the teacher per image",
    "teacher_test_score": "the teacher's test score, fraction",
    **_prefixed("teacher", "training the teacher once, whoever paid"),
    **_prefixed("tuning", "choosing τ: all attempts of all trials, validation, overhead, and the teacher's logits"),
    **_prefixed("startup", "the campaign's share of its command's start, and its workers' (no part of tuning)"),
    **_prefixed("logits", "the teacher's logits as this campaign would have paid alone (part of tuning)"),
    **_prefixed("synthesis", "making the students' images, likewise (part of tuning); NaN where they are real"),
    "transfer": "which images students see: real, or the option of `transfer`",
    "selection": "what τ is chosen by: validation (real images) or agreement (synthetic ones)",
    "meter": "meter with version; several joined by ' + '",
    "method": "how the meter gets its numbers",
    "scope": "process, machine or device",
    "sources": "where CPU, GPU and RAM figures come from: measured, modelled, constant, simulated or absent",
    "pue": "power usage effectiveness used for the grams; NaN where rows differ",
    "intensity_g_per_kwh": "carbon intensity used; NaN where rows differ or none is known",
    "intensity_source": "where the intensity comes from",
    "processor": "CPU and GPU of the machine",
    "message": "why the campaign is partial or failed",
}

TRIALS = {
    "campaign": "the campaign's number",
    "trial": "number of the trial",
    "attempt": "0 for the first try",
    "status": "complete, pruned, failed, interrupted, paused (at a rung); killed: on the ledger but never finished",
    "tau": "τ of the trial, NaN where it is not one number",
    "params": "the schedule's parameters, and the values of searched settings",
    "as_configured": "True: settings searched besides τ have the values that the configuration gives them",
    "epochs": "epochs trained, earlier attempts included",
    "val_score": "at the last epoch, fraction",
    "val_loss": "cross-entropy at the last epoch",
    "train_loss": "at the last epoch",
    "test_score": "of complete trials, opened after the choice; fraction",
    "test_loss": "of complete trials, likewise; cross-entropy in nats for classification, MultiBox for detection",
    "test_calibration_error": "of complete trials, likewise; expected calibration error, 15 bins, fraction",
    **_COSTS,
    "started_at": "ISO 8601, UTC",
    "cause": "why it failed, was pruned or interrupted",
}

EPOCHS = {
    "campaign": "the campaign's number",
    "trial": "number of the trial; NaN: the teacher",
    "attempt": "0 for the first try",
    "epoch": "zero-based",
    "lr": "learning rate at the epoch's last step",
    "tau_mean": "mean τ over the epoch's batches, with a rule as used",
    "tau_sd": "standard deviation of τ within a batch, mean over the batches; NaN without a rule",
    "train_loss": "mean loss",
    "train_score": "fraction",
    "val_loss": "cross-entropy",
    "val_score": "fraction",
    "duration_s": "seconds",
}

STEPS = {
    "campaign": "the campaign's number",
    "trial": "number of the trial",
    "attempt": "0 for the first try",
    "epoch": "zero-based",
    "step": "zero-based within the epoch",
    "tau": "the student's τ of the batch, with a rule its mean within it",
    "tau_sd": "its standard deviation within the batch; NaN without a rule",
    "loss": "the batch's loss",
}

LEDGER = {
    "campaign": "the campaign's number",
    "phase": "what the energy was for; start_up: of a process, also where a row of greenkd 0.1 calls it overhead",
    "trial": "NaN: of the campaign, not of one trial",
    "attempt": "0 for the first try",
    "started_at": "ISO 8601, UTC",
    **_COSTS,
    "cpu_kwh": "CPU part of energy_kwh",
    "gpu_kwh": "GPU part",
    "ram_kwh": "RAM part",
    "cpu_source": "measured, modelled, constant, simulated or absent",
    "gpu_source": "the same for the GPU",
    "ram_source": "the same for RAM",
    "meter": "meter with version",
    "method": "how the meter gets its numbers",
    "scope": "process, machine or device",
    "sensor": "what was read or assumed, in words",
    "apportioned": "True: a share of a longer reading",
    "warnings": "what is to be known about the row, a tuple of sentences",
    "pue": "power usage effectiveness",
    "intensity_g_per_kwh": "carbon intensity",
    "intensity_source": "where it comes from",
    "images": "images processed",
    "status": "ok or invalid",
}

RUNS = {
    **_SETTING_TEXT,
    "strategy": "the strategy's label in tables, its variant included",
    "kind": "fixed, grid, search, transfer, stochastic, restarts, adaptive (any with a rule) or custom",
    "class": "how τ comes about, see the campaigns frame",
    "origin": "campaign; swept (a grid of fixed campaigns); from grid (one trial of a grid)",
    "seed": "the seed",
    "campaigns": "numbers of the campaigns behind this row",
    "trial": "the trial that was picked",
    "planned_trials": "trials the strategy asks for",
    "complete_trials": "trials with a complete attempt",
    "attempts": "attempts on record, killed ones included",
    "killed": "attempts that never finished",
    "complete": "True: all planned trials and the test are there",
    "chosen_tau": "τ of the picked trial",
    "chosen_params": "its parameters",
    "searched": "settings that were searched besides τ, with the values that the configuration gives them",
    "tau_source": "the earlier search that τ was taken from, and what it cost; None where it was not",
    "metric": "what the scores are: accuracy for classification, mAP for detection",
    "val_score": "its validation score, fraction",
    "test_score": "its test score, fraction",
    **_ENDPOINTS,
    **_prefixed("tuning", "choosing τ by this strategy"),
    **_prefixed("startup", "starting the processes that did it (no part of tuning)"),
    **_prefixed("final", "the one training that was picked"),
    **_prefixed("synthesis", "making the students' images once (part of tuning); zero where they are real"),
    **_prefixed("teacher", "training the teacher once"),
    "teacher_users": "campaigns of this load that used that teacher",
    "meter": "what made the numbers comparable: meter, method, scope and sources",
    "carbon": "PUE and intensity behind the grams",
    "pue": "power usage effectiveness, NaN where rows differ",
    "processor": "CPU and GPU of the machine",
}
