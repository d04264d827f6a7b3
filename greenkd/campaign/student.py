"""Students of one campaign: networks with their objectives, all trials of a seed with the same initial weights."""

import torch

from greenkd.campaign.settings import Settings
from greenkd.energy.flops import Flops
from greenkd.objectives import NO_MATRIX_PRODUCTS, Setup
from greenkd.temperature import Params, Rule, RuleSetup
from greenkd.training.context import TrainingContext
from greenkd.training.learner import Learner


def build_learner(
    settings: Settings, context: TrainingContext, teacher_feature_size: int | None, params: Params | None = None
) -> Learner:
    """Builds a student with its objective.

    Args:
        settings: The campaign's.
        context: Data, networks and device.
        teacher_feature_size: Length of the teacher's feature vector; None where no features are distilled.
        params: The trial's, which its seed and its rule follow from; None: of no trial, with the campaign's seed.

    Raises:
        ConfigError: Network or objective do not fit the data or each other.
    """
    networks, data = context.networks, context.data
    recipe, config = settings.training.recipe, settings.student.mapping
    seed = settings.seed if params is None else settings.strategy.trial_seed(settings.seed, params)

    # Student and objective
    network = networks.build(config, "student", seed)
    objective = settings.build_objective()
    objective.setup(
        Setup(
            num_classes=data.task.num_labels(data.dataset),
            train_labels=data.train.labels,
            student_feature_size=_feature_size(network) if objective.wants_features else None,
            teacher_feature_size=teacher_feature_size,
            build_peer=lambda: networks.build(config, "student", seed, index=1),
            seed=seed,
            epochs=recipe.epochs,
        )
    )

    # The rule: the objective's, so that it is trained and checkpointed with it
    if not settings.strategy.shares_tau:
        objective.rule = _build_rule(settings, data.task.num_labels(data.dataset), params or {}, seed)

    # What a step costs, the objective's own networks and arithmetic included
    student_flops = networks.flops(network)
    other_flops = [networks.flops(other) for other in objective.networks()]
    loss_flops = objective.flops() or NO_MATRIX_PRODUCTS  # one that states none is named by the campaign
    flops = Flops(
        forward=student_flops.forward + sum(other.forward for other in other_flops) + loss_flops.forward,
        training=student_flops.training + sum(other.training for other in other_flops) + loss_flops.training,
    )

    return Learner(
        network,
        objective.to(context.device),
        data.task,
        recipe,
        flops,
        student_flops.forward,
        seed,
        data.loader(seed, recipe.batch_size).steps,
        compiled=settings.training.compile,
    )


def _build_rule(settings: Settings, num_classes: int, params: Params, seed: int) -> Rule:
    strategy = settings.strategy
    rule = strategy.make_rule(params)
    epochs = settings.training.recipe.epochs
    rule.setup(RuleSetup(num_classes=num_classes, epochs=epochs, seed=seed, tau_range=strategy.tau_range()))
    return rule


def _feature_size(network: torch.nn.Module) -> int:
    linears = [module for module in network.modules() if isinstance(module, torch.nn.Linear)]
    return linears[-1].in_features
