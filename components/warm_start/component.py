"""The node that finds the model to begin from: TFX's Resolver with our strategy."""

from tfx import types
from tfx.dsl.components.common import resolver
from tfx.types import standard_artifacts

from components.baseline.component import of_all_runs
from components.warm_start.strategy import LatestBlessedOfOtherPictures


def create_warm_start(
    facts: types.OutputChannel,
    destination: str,
    trainer: str = "Trainer",
    evaluator: str = "Evaluator",
    serving: str = "ServingCheck",
) -> resolver.Resolver:
    """Returns the node "WarmStart", with the latest model that passed both gates and has learnt
    other pictures than this run's, see the strategy.

    Args:
      facts: of what will be trained on.
      destination: where models are served from, and what was rolled back from is noted.
      trainer: id of the node that gives the models.
      evaluator: id of the node that gives the blessings.
      serving: id of the node that gives the infra blessings.

    Returns:
      A node whose output `model` holds one artifact, or none.
    """
    return resolver.Resolver(
        strategy_class=LatestBlessedOfOtherPictures,
        config={"destination": destination},
        model=of_all_runs(standard_artifacts.Model, trainer),
        model_blessing=of_all_runs(standard_artifacts.ModelBlessing, evaluator),
        infra_blessing=of_all_runs(standard_artifacts.InfraBlessing, serving),
        facts=facts,
    ).with_id("WarmStart")
