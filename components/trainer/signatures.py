"""What is served: encoded images in, labels and probabilities out, all in one SavedModel."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from components.content import MODEL_FACTS, code_version, content_hash
from components.files import writing
from components.importing import source_hash
from components.trainer.records import Preprocessing

_DECODED_AT_ONCE = 16
"""Pictures of a request that are decoded side by side; more than the cores of most servers."""
_SCORED_AT_ONCE = 32
"""Pictures that go through the network together: more take memory and gain no speed."""
_UNDECODED = "cannot be decoded as a picture"
_UNPARSED = "is no Example with an encoded picture in `image`"


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
        # Here, where the size is known. All signatures share its one trace.
        spec = tf.TensorSpec([None, *self._shape], tf.float32, "images")
        self.serving_images = tf.function(self._score, [spec], autograph=False)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")], autograph=False)
    def serving_default(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encoded pictures, as many as there are -> the most likely label of each.

        A bad picture, of whatever bytes, is marked and changes nothing for the others.

        Args:
          image_bytes: string [N]; N may be 0. Of large N, sixteen pictures are decoded at a time
            and 32 are scored; all N are held as images [h, w, 3] of float32, twice for a moment.

        Returns:
          `label` string [N], its probability `score` float32 [N], `probabilities` float32 [N, C]
          in the order of the sorted label names, and `error` string [N]: empty, or, of a bad
          picture, what is wrong with it. Its label is empty then, the numbers are all 0.
        """
        probabilities, good = self._probabilities(image_bytes)
        labels = tf.gather(tf.constant(self._labels), tf.argmax(probabilities, -1))
        return {
            "label": tf.where(good, labels, ""),
            "score": tf.reduce_max(probabilities, -1),
            "probabilities": probabilities,
            "error": tf.where(good, "", _UNDECODED),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")], autograph=False)
    def serving_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialized raw Examples with a feature `image`: what the Evaluator sends.

        Args:
          examples: string [N]; N may be 0. What cannot be parsed, or has no `image`, counts as a
            bad picture, with an error of its own.

        Returns:
          `probabilities` float32 [N, C] and `error` string [N] as in `serving_default`, and
          `all_classes` string [N, C], each row the label names in the order of the probabilities,
          as TFMA wants where labels are strings.
        """
        feature = {"image": tf.io.FixedLenFeature([], tf.string)}
        places, images = _those_that_work(
            lambda i: tf.io.parse_single_example(examples[i], feature)["image"],
            tf.size(examples, tf.int64),
            tf.constant(""),
        )
        count = tf.shape(examples)
        parsed = tf.scatter_nd(places, tf.ones_like(places[:, 0], tf.bool), count)
        image_bytes = tf.tensor_scatter_nd_update(tf.fill(count, ""), places, images)
        probabilities, good = self._probabilities(image_bytes)
        return {
            "probabilities": probabilities,
            "all_classes": tf.repeat(tf.constant([self._labels]), count[0], axis=0),
            "error": tf.where(good, "", tf.where(parsed, _UNDECODED, _UNPARSED)),
        }

    # A function of its own, so that the signatures that decode share one trace.
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def _probabilities(self, image_bytes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns float32 [N, C], zeros for bad pictures, and which are good, bool [N]."""
        places, images = _those_that_work(
            lambda i: self._preprocess(image_bytes[i]),
            tf.size(image_bytes, tf.int64),
            tf.zeros(self._shape),
        )
        scores = self.serving_images(images)["probabilities"]
        total = tf.shape(image_bytes)
        good = tf.scatter_nd(places, tf.fill(tf.shape(images)[:1], True), total)
        return tf.scatter_nd(places, scores, [total[0], len(self._labels)]), good

    def _score(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Prepared pictures, as training sees them: what ServingCheck holds the others against.

        Args:
          images: float32 [N, h, w, 3] in [0, 1], RGB, of the network's size; N may be 0.

        Returns:
          `probabilities` float32 [N, C], as in `serving_default`.
        """
        count = tf.shape(images)[0]
        # TensorFlow's fused convolutions fail on an empty batch: a black picture stands in for it.
        images = tf.cond(count > 0, lambda: images, lambda: tf.zeros(self._shape)[tf.newaxis])

        def score(start: tf.Tensor) -> tf.Tensor:
            logits = self.head(self.backbone(images[start : start + _SCORED_AT_ONCE])["default"])
            return tf.nn.softmax(logits / self._temperature)

        scores = tf.map_fn(
            score,
            tf.range(0, tf.shape(images)[0], _SCORED_AT_ONCE),
            parallel_iterations=1,
            # "Ragged" since the last part may be shorter.
            fn_output_signature=tf.RaggedTensorSpec([None, len(self._labels)], ragged_rank=0),
        ).values[:count]
        return {"probabilities": scores}


def _those_that_work(
    work: Callable[[tf.Tensor], tf.Tensor], count: tf.Tensor, like: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Does something `count` times; where an op fails, that time alone is left out.

    Args:
      work: int64 scalar, from 0 to `count` - 1 -> a tensor.
      count: int64 scalar; may be 0.
      like: any tensor such as `work` gives.

    Returns:
      For the M times that worked, in order: which, int32 [M, 1], and what came of them, [M, ...].
    """
    # Of all ops only a dataset's can go on where another has failed.
    data = tf.data.Dataset.range(count).map(
        lambda i: (tf.cast(i, tf.int32), work(i)), num_parallel_calls=_DECODED_AT_ONCE
    )
    # There must be one element to be given; taken off below.
    end = tf.data.Dataset.from_tensors((tf.cast(count, tf.int32), like))
    data = data.ignore_errors().concatenate(end).batch(count + 1)
    options = tf.data.Options()  # both would cost milliseconds in every call
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    places, values = data.with_options(options).get_single_element()
    return places[:-1, tf.newaxis], values[:-1]


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
        "serving_images": model.serving_images,
    }
    with writing(folder) as partial:
        tf.saved_model.save(model, partial, signatures=signatures)
        path = Path(partial, MODEL_FACTS)
        path.parent.mkdir()
        text = json.dumps(facts, ensure_ascii=False, indent=1, sort_keys=True)
        path.write_text(text, encoding="utf-8")
