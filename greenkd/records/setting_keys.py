"""Which keys of a configuration make a campaign, and which a setting, as dotted paths."""

# Settings that cannot change a result, only where and how it is made: two configurations that differ in these alone
# are the same campaign.
NOT_IDENTITY = (
    "sweep",
    "device",
    "cache_dir",
    "data_dir",
    "storage",
    "energy",
    "dataset.root",
    "dataset.download",
    "dataset.verify",
    "transfer.arguments.root",
    "transfer.arguments.download",
    "transfer.arguments.verify",
    "teacher.backbone_weights",  # where the published file lies; its content is checked
    "student.backbone_weights",
    "training.bank",
    "training.bank_limit_gb",
    "training.parallel_trials",
    "training.parallel_mode",
    "training.checkpoint_every_s",
    "training.deterministic",
    "retry",
    "dry_run",
    "estimate",
    "budget",
    "order",
    "schedule",  # the name of `order` in greenkd 0.1
    "interleaving",
    "logger",
)
# Settings in which campaigns that are compared with each other may differ.
NOT_SETTING = ("temperature", "seed")
