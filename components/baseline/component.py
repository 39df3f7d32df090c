"""The node that finds the baseline: TFX's Resolver with our strategy and the channels it needs."""

from tfx import types
from tfx.dsl.components.common import resolver
from tfx.types import standard_artifacts

from components.baseline.strategy import LatestBlessedOtherThanCandidate


def create_baseline(
    candidate: types.OutputChannel,
    destination: str,
    evaluator: str = "Evaluator",
    serving: str = "ServingCheck",
) -> resolver.Resolver:
    """Returns the node "Baseline", with the latest model that passed both, save the candidate.

    Args:
      candidate: the model output of the node that trains.
      destination: where models are served from, and what was rolled back from is noted.
      evaluator: id of the node that gives the blessings.
      serving: id of the node that gives the infra blessings.

    Returns:
      A node whose outputs `model`, `model_blessing` and `infra_blessing` hold one artifact each, or
      none.
    """
    return resolver.Resolver(
        strategy_class=LatestBlessedOtherThanCandidate,
        config={"destination": destination},
        model=of_all_runs(standard_artifacts.Model, candidate.producer_component_id),
        model_blessing=of_all_runs(standard_artifacts.ModelBlessing, evaluator),
        infra_blessing=of_all_runs(standard_artifacts.InfraBlessing, serving),
        candidate=candidate,
    ).with_id("Baseline")


def of_all_runs(artifact_type: type[types.Artifact], node_id: str) -> types.Channel:
    """Whatever a node of this pipeline has given in any run; a node's own outputs are this run's.

    Without an output key, and that matters: TFX's compiler makes one input of two channels that
    have producer and key in common (compiler_utils.implicit_channel_key), and so would take all
    earlier models and the candidate for one and the same.
    """
    return types.Channel(type=artifact_type, producer_component_id=node_id)
