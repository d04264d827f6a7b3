"""Students of one campaign: networks with their objectives, all trials of a seed with the same initial weights."""

import torch

from greenkd.campaign.searched_settings import settings_of_trial
from greenkd.campaign.settings import Settings
from greenkd.energy.flops import Flops
from greenkd.objectives import NO_MATRIX_PRODUCTS, Objective, Setup
from greenkd.objectives.tryout import try_objective
from greenkd.temperature import Params, Rule, RuleSetup
from greenkd.training.context import TrainingContext
from greenkd.training.feature_hook import feature_size
from greenkd.training.learner import Learner


def build_learner(
    settings: Settings, context: TrainingContext, teacher_feature_size: int | None, params: Params | None = None
) -> Learner:
    """Builds a student with its objective.

    Args:
        settings: The campaign's.
        context: Data, networks and device.
        teacher_feature_size: Length of the teacher's feature vector; None where no features are distilled.
        params: The trial's, which its seed, its rule and searched settings follow from; None: of no trial, with the
            campaign's seed and settings.

    Raises:
        ConfigError: Network or objective do not fit the data or each other.
    """
    settings = settings_of_trial(settings, params or {})
    networks, data = context.networks, context.data
    recipe, config = settings.training.recipe, settings.student.mapping
    seed = settings.seed if params is None else settings.strategy.trial_seed(settings.seed, params)

    # Student and objective
    network = networks.build(config, "student", seed)
    objective = _build_objective(settings, context, network, teacher_feature_size, params or {}, seed)

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


def try_student(settings: Settings, context: TrainingContext) -> tuple[torch.nn.Module, Objective]:
    """Builds a student with its objective and tries the objective, so that what does not fit costs no training.

    Args:
        settings: The campaign's.
        context: Data, networks and device.

    Returns:
        The network, and the objective, which has seen a made-up batch.

    Raises:
        ConfigError: Network or objective do not fit the data or each other, or the objective breaks its contract.
    """
    networks, task, dataset = context.networks, context.data.task, context.data.dataset
    source = settings.build_objective().teacher
    teacher_size = None
    if source is not None and settings.build_objective().wants_features:
        teacher = networks.build(settings.network(source).mapping, source, settings.training.teacher.seed)
        teacher_size = feature_size(teacher)

    network = networks.build(settings.student.mapping, "student", settings.seed)
    params = next(iter(settings.strategy.queue()), {})
    objective = _build_objective(settings, context, network, teacher_size, params, settings.seed)
    objective.to(context.device)
    setup = _setup(settings, context, network, objective, teacher_size, settings.seed)
    image_shape = dataset.in_channels, dataset.image_size, dataset.image_size
    output_shape = task.output_shape(dataset)
    try_objective(objective, setup, image_shape, output_shape, settings.objective.name, context.device)
    return network, objective


def _build_objective(
    settings: Settings,
    context: TrainingContext,
    network: torch.nn.Module,
    teacher_feature_size: int | None,
    params: Params,
    seed: int,
) -> Objective:
    """Returns the objective, set up, with its rule."""
    objective = settings.build_objective()
    objective.setup(_setup(settings, context, network, objective, teacher_feature_size, seed))

    # The objective's, so that it is trained and checkpointed with it
    if not settings.strategy.shares_tau:
        num_labels = context.data.task.num_labels(context.data.dataset)
        objective.rule = _build_rule(settings, num_labels, params, seed)
    return objective


def _setup(
    settings: Settings,
    context: TrainingContext,
    network: torch.nn.Module,
    objective: Objective,
    teacher_feature_size: int | None,
    seed: int,
) -> Setup:
    config = settings.student.mapping
    return Setup(
        num_classes=context.data.task.num_labels(context.data.dataset),
        train_labels=context.data.train.labels,
        student_feature_size=feature_size(network) if objective.wants_features else None,
        teacher_feature_size=teacher_feature_size,
        build_peer=lambda: context.networks.build(config, "student", seed, index=1),
        seed=seed,
        epochs=settings.training.recipe.epochs,
    )


def _build_rule(settings: Settings, num_classes: int, params: Params, seed: int) -> Rule:
    strategy = settings.strategy
    rule = strategy.make_rule(params)
    epochs = settings.training.recipe.epochs
    rule.setup(RuleSetup(num_classes=num_classes, epochs=epochs, seed=seed, tau_range=strategy.tau_range()))
    return rule
