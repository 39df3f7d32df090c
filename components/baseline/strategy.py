"""Chooses the model that the candidate is compared with, as a strategy of TFX's Resolver."""

from collections.abc import Iterator

import ml_metadata as mlmd
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.common import resolver
from tfx.dsl.io import fileio
from tfx.utils import path_utils

from components.pusher.push import is_withdrawn


class LatestBlessedOtherThanCandidate(resolver.ResolverStrategy):
    """The model that was blessed last and can be served, the candidate itself set aside.

    A model that ServingCheck refused, or that no ServingCheck has seen because the run ended before
    it, was never pushed: what is served now must not be measured against it. Nor against one that
    was rolled back from, which nobody is served any more.

    TFX's own strategy would, on a second unchanged run, find the first run's model: the candidate
    would be compared with itself, and all nodes after it would run again for nothing.

    Its inputs, see component.py:
      model, model_blessing, infra_blessing: all Models, ModelBlessings and InfraBlessings of the
        pipeline's runs.
      candidate: the Model that this run has trained.
    """

    def __init__(self, destination: str):
        """Args:
        destination: where models are served from.
        """
        self._destination = destination

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Returns every key of `input_dict`: no model where none fits, never None.

        TFX takes None, and a missing key, for an error; an empty list lets the first run through.

        Args:
          store: not asked; all that is needed is in the artifacts.
          input_dict: artifacts by the names of the four channels, in any order.
        """
        candidates = input_dict["candidate"]
        for model, blessing, infra_blessing in served(input_dict, self._destination):
            if any(_same(model, candidate) for candidate in candidates):
                continue
            if not fileio.exists(path_utils.serving_model_path(model.uri)):
                continue  # someone made room on the disk: an older one will do
            return {
                "model": [model],
                "model_blessing": [blessing],
                "infra_blessing": [infra_blessing],
                "candidate": candidates,
            }
        return {"model": [], "model_blessing": [], "infra_blessing": [], "candidate": candidates}


def served(
    input_dict: dict[str, list[types.Artifact]], destination: str
) -> Iterator[tuple[types.Artifact, types.Artifact, types.Artifact]]:
    """Yields the models that passed both gates, the one blessed last first, with their blessings.

    Args:
      input_dict: `model`, `model_blessing` and `infra_blessing`, in any order.
      destination: where models are served from; what was withdrawn there is left out.

    Raises:
      ServingError: the destination cannot be read.
    """
    blessed = {
        _model_id(b): b for b in sorted(input_dict["model_blessing"], key=_id) if _is_blessed(b)
    }
    models = {model.id: model for model in input_dict["model"]}
    # ServingCheck comes last: what passed it was pushed, and limits that were tried on it since
    # take it from nobody.
    for infra_blessing in sorted(input_dict["infra_blessing"], key=_id, reverse=True):
        model_id = _model_id(infra_blessing)
        if model_id not in models or model_id not in blessed or not _is_blessed(infra_blessing):
            continue
        model = models[model_id]
        if not is_withdrawn(destination, model.get_string_custom_property("content_hash")):
            yield model, blessed[model_id], infra_blessing


def _id(artifact: types.Artifact) -> int:
    return artifact.id


def _model_id(blessing: types.Artifact) -> int:
    return blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY)


def _is_blessed(blessing: types.Artifact) -> bool:
    value = blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY)
    return value == constants.BLESSED_VALUE


def _same(model: types.Artifact, candidate: types.Artifact) -> bool:
    """Whether two artifacts are one, or hold equal files: training again gives a new artifact."""
    content = model.get_string_custom_property("content_hash")
    return model.id == candidate.id or (
        bool(content) and content == candidate.get_string_custom_property("content_hash")
    )
