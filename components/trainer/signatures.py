"""What is served: encoded images in, labels and probabilities out, all in one SavedModel."""

import json
from pathlib import Path
from typing import Any

import tensorflow as tf

from components.content import MODEL_FACTS, code_version, content_hash
from components.files import writing
from components.importing import source_hash
from components.trainer.records import Preprocessing

_DECODED_AT_ONCE = 16
"""Pictures of a request that are decoded side by side; more than the cores of most servers."""


class ServedModel(tf.Module):
    """Decoding, preprocessing, backbone and head, with the label names inside.

    No augmentation, no auxiliary head, no Python, and no path of this machine.
    """

    def __init__(
        self, backbone: Any, head: Any, preprocessing: Preprocessing, temperature: float = 1.0
    ):
        """Args:
        backbone: what a Backbone's `export()` returns: images -> endpoints, inference mode.
        head: the trained head.
        preprocessing: image size, crop and label names.
        temperature: what the logits are divided by; see `calibration.fit_temperature`.
        """
        super().__init__()
        self.backbone, self.head, self._temperature = backbone, head, temperature
        self._preprocess, self._labels = preprocessing.serving(), list(preprocessing.labels)
        self._shape = (*preprocessing.image_size, 3)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")], autograph=False)
    def serving_default(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encoded pictures, as many as there are -> the most likely label of each.

        Args:
          image_bytes: string [N]; N may be 0.

        Returns:
          `label` string [N], its probability `score` float32 [N], and `probabilities`
          float32 [N, C] in the order of the sorted label names.
        """
        probabilities = self._probabilities(image_bytes)
        return {
            "label": tf.gather(tf.constant(self._labels), tf.argmax(probabilities, -1)),
            "score": tf.reduce_max(probabilities, -1),
            "probabilities": probabilities,
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")], autograph=False)
    def serving_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialized raw Examples with a feature `image`: what the Evaluator sends.

        Args:
          examples: string [N]; N may be 0.

        Returns:
          `probabilities` float32 [N, C] and `all_classes` string [N, C], each row the label
          names in the order of the probabilities, as TFMA wants where labels are strings.
        """
        feature = {"image": tf.io.FixedLenFeature([], tf.string)}
        probabilities = self._probabilities(tf.io.parse_example(examples, feature)["image"])
        names = tf.repeat(tf.constant([self._labels]), tf.shape(examples)[0], axis=0)
        return {"probabilities": probabilities, "all_classes": names}

    # A function of its own, so that both signatures share one trace.
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def _probabilities(self, image_bytes: tf.Tensor) -> tf.Tensor:
        images = tf.map_fn(
            self._preprocess,
            image_bytes,
            parallel_iterations=_DECODED_AT_ONCE,
            fn_output_signature=tf.TensorSpec(self._shape, tf.float32),
        )
        # TensorFlow's fused convolutions fail on an empty batch: a black picture stands in for it.
        count = tf.shape(images)[0]
        images = tf.cond(count > 0, lambda: images, lambda: tf.zeros([1, *self._shape]))
        logits = self.head(self.backbone(images)["default"])
        return tf.nn.softmax(logits / self._temperature)[:count]


def get_facts(
    preprocessing: Preprocessing, module: str, head: str, temperature: float
) -> dict[str, Any]:
    """What the graph of a served model is a function of; equal facts and weights are one model.

    Args:
      preprocessing: as the model has it.
      module: folder of the backbone's module.
      head: import path of the head.
      temperature: as the model has it.
    """
    return {
        "labels": preprocessing.labels,
        **preprocessing.frame._asdict(),
        "temperature": temperature,
        "module_hash": content_hash(module),
        "head": head,
        "own_code": source_hash([head]),
        "code": code_version(__file__, "backbone", "image_transform"),
    }


def export(model: ServedModel, folder: str, facts: dict[str, Any]) -> None:
    """Writes the SavedModel: whole or not at all, as far as `files.writing` can have it.

    Args:
      model: what is served.
      folder: where it goes; what is there is replaced.
      facts: see `get_facts`; they are written beside the graph.
    """
    signatures = {
        "serving_default": model.serving_default,
        "serving_examples": model.serving_examples,
    }
    with writing(folder) as partial:
        tf.saved_model.save(model, partial, signatures=signatures)
        path = Path(partial, MODEL_FACTS)
        path.parent.mkdir()
        text = json.dumps(facts, ensure_ascii=False, indent=1, sort_keys=True)
        path.write_text(text, encoding="utf-8")
