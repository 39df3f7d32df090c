"""A tiny model that serves as it should, and those that each break one point of it."""

import tensorflow as tf
import tiny_evaluator as tiny

from components.image_transform.preprocessing import Frame, get_preprocess

NAMES = ["blue", "green", "red"]
SIZE = (12, 16)
_STAND_IN = tiny.picture(tiny.COLOURS["red"], 0)
_SIGNATURE = [tf.TensorSpec([None], tf.string, "image_bytes")]


class Served(tiny.ColourModel):
    """Tells a picture by its size in bytes, which does here, and marks what is none."""

    def _picture(self, encoded):
        return get_preprocess(Frame(SIZE))(encoded)

    def readable(self, image_bytes):
        return tf.strings.length(image_bytes) > 100

    def answers(self, image_bytes):
        good = self.readable(image_bytes)
        probabilities = self._probabilities(tf.where(good, image_bytes, _STAND_IN))
        label = tf.gather(self.labels, tf.argmax(probabilities, -1))
        return {
            "label": tf.where(good, label, ""),
            "score": tf.where(good, tf.reduce_max(probabilities, -1), 0.0),
            "probabilities": tf.where(good[:, None], probabilities, 0.0),
            "error": tf.where(good, "", "cannot be decoded as a picture"),
        }

    @tf.function(input_signature=_SIGNATURE)
    def serving_default(self, image_bytes):
        return self.answers(image_bytes)

    @tf.function(input_signature=[tf.TensorSpec([None, *SIZE, 3], tf.float32, "images")])
    def serving_images(self, images):
        return {"probabilities": self._scores(images, lambda image: image)}


class Raising(Served):
    """One bad picture fails its batch."""

    def readable(self, image_bytes):
        return tf.fill(tf.shape(image_bytes), True)


class Unmarked(Served):
    """What is bad has an answer like any other."""

    def answers(self, image_bytes):
        good = self.readable(image_bytes)
        held = super().answers(tf.where(good, image_bytes, _STAND_IN))
        return held


class Markless(Served):
    """Has no output for marks."""

    def answers(self, image_bytes):
        return {k: v for k, v in super().answers(image_bytes).items() if k != "error"}


class HalfMarked(Served):
    """Says that a picture is bad, and scores it all the same."""

    def answers(self, image_bytes):
        held = super().answers(image_bytes)
        return held | {"score": tf.where(held["error"] == "", held["score"], 0.5)}


class Disturbed(Served):
    """A bad picture moves the scores of the others."""

    def answers(self, image_bytes):
        held = super().answers(image_bytes)
        bad = tf.reduce_any(held["error"] != "")
        moved = tf.where(bad, held["probabilities"] * 0.99, held["probabilities"])
        return held | {"probabilities": moved, "score": tf.reduce_max(moved, -1)}


class NeverEmpty(Served):
    """Fails on an empty batch."""

    def answers(self, image_bytes):
        with tf.control_dependencies([tf.debugging.assert_positive(tf.size(image_bytes))]):
            return super().answers(tf.identity(image_bytes))


class Shrinking(Served):
    """Answers no more than 100 pictures."""

    def answers(self, image_bytes):
        return super().answers(image_bytes[:100])


class Undefined(Served):
    """Gives no number for what is bad."""

    def answers(self, image_bytes):
        held = super().answers(image_bytes)
        nan = held["probabilities"] / tf.where(held["error"] == "", 1.0, 0.0)[:, None]
        return held | {"probabilities": nan}


class CallsPython(Served):
    """Calls the process that wrote it."""

    def answers(self, image_bytes):
        held = super().answers(image_bytes)
        score = tf.numpy_function(lambda x: x, [held["score"]], tf.float32)
        return held | {"score": tf.ensure_shape(score, [None])}


class ReadsAFile(Served):
    """Knows its labels by a file of this machine."""

    def __init__(self, path):
        super().__init__(NAMES)
        self.path = path

    def answers(self, image_bytes):
        held = super().answers(image_bytes)
        names = tf.strings.split(tf.io.read_file(self.path), "\n")
        label = tf.gather(names, tf.argmax(held["probabilities"], -1))
        return held | {"label": tf.where(held["error"] == "", label, "")}


def save(model, folder):
    """Writes the SavedModel with the signature that is served; returns the folder as text."""
    return tiny.save(model, folder, signatures=["serving_default"])
