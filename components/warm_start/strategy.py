"""Chooses the model whose weights a training begins from, as a strategy of TFX's Resolver."""

import json

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver

from components.baseline.strategy import served
from components.files import exists
from components.image_example_gen.history import read_contents
from components.trainer.warm_start import weights_folder


class LatestBlessedOfOtherPictures(resolver.ResolverStrategy):
    """The model that was blessed last and can be served, of those that have learnt other pictures.

    One that has learnt from the same facts would begin from what it ended with: a second, unchanged
    run would find the first one's model, and train for nothing instead of taking the cache. One
    that has learnt a picture of this run's test split, since the split was drawn by other rules
    then, would be tested on what it knows. One that was rolled back from is passed over.

    Its inputs, see component.py:
      model, model_blessing, infra_blessing: all that the pipeline's runs have given.
      facts: of what this run trains on.
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

        Args:
          store: not asked.
          input_dict: artifacts by the names of the four channels.
        """
        facts = input_dict["facts"]
        for model, blessing, infra_blessing in served(input_dict, self._destination):
            if _may_begin(model, [artifact.uri for artifact in facts]):
                return {
                    "model": [model],
                    "model_blessing": [blessing],
                    "infra_blessing": [infra_blessing],
                    "facts": facts,
                }
        return {"model": [], "model_blessing": [], "infra_blessing": [], "facts": facts}


def _may_begin(model: types.Artifact, now: list[str]) -> bool:
    learnt_from = json.loads(model.get_string_custom_property("learnt_from") or "[]")
    if not learnt_from or set(learnt_from) & set(now) or not exists(weights_folder(model.uri)):
        return False
    test = [read_contents(uri, "test") for uri in now]
    learnt = [read_contents(uri, "train") for uri in learnt_from]
    if None in (*test, *learnt):
        return False  # nobody can say what it has seen
    seen = {content for contents in learnt for content in contents or ()}
    return not any(content in seen for contents in test for content in contents or ())
