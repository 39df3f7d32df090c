"""Chooses the model whose weights a training begins from, as a strategy of TFX's Resolver."""

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver
from tfx.dsl.io import fileio

from components.baseline.strategy import served
from components.trainer.warm_start import weights_folder


class LatestBlessedOfOtherExamples(resolver.ResolverStrategy):
    """The model that was blessed last and can be served, of those trained on other examples.

    On the same examples it would begin from what it ended with: a second, unchanged run would find
    the first one's model, and train for nothing instead of taking the cache.

    Its inputs, see component.py:
      model, model_blessing, infra_blessing: all that the pipeline's runs have given.
      transformed_examples: what this run trains on.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Returns every key of `input_dict`: no model where none fits, never None.

        Args:
          store: not asked.
          input_dict: artifacts by the names of the four channels.
        """
        examples = input_dict["transformed_examples"]
        now = {artifact.uri for artifact in examples}
        for model, blessing, infra_blessing in served(input_dict):
            if model.get_string_custom_property("trained_on") in now:
                continue
            if not fileio.exists(weights_folder(model.uri)):
                continue  # of an earlier release, or removed: an older one will do
            return {
                "model": [model],
                "model_blessing": [blessing],
                "infra_blessing": [infra_blessing],
                "transformed_examples": examples,
            }
        return {
            "model": [],
            "model_blessing": [],
            "infra_blessing": [],
            "transformed_examples": examples,
        }
