import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.predict import predict


def save(folder, marks):
    """A model of two classes; it marks what is no PNG, or fails as models did before they could."""

    def answer(examples):
        feature = {"image": tf.io.FixedLenFeature([], tf.string)}
        images = tf.io.parse_example(examples, feature)["image"]
        good = tf.strings.substr(images, 1, 3) == b"PNG"
        said = {
            "probabilities": tf.where(good[:, None], [[1 / 3, 2 / 3]], [[0.0, 0.0]]),
            "all_classes": tf.repeat([["ripe", "unripe"]], tf.size(images), axis=0),
        }
        if marks:
            return said | {"error": tf.where(good, "", "cannot be decoded as a picture")}
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(good), [good])]):
            return {name: tf.identity(value) for name, value in said.items()}

    module = tf.Module()
    spec = tf.TensorSpec([None], tf.string, "examples")
    module.answer = tf.function(answer, input_signature=[spec])
    tf.saved_model.save(module, str(folder), {"serving_examples": module.answer})


@pytest.mark.parametrize("marks", [True, False])
def test_a_file_that_is_no_picture_is_said_beside_the_answers_for_the_others(tmp_path, marks):
    save(tmp_path / "model", marks)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no picture")
    paths = [tmp_path / name for name in ("b.png", "a.png", "none.png")]
    bad, good, gone = predict(tmp_path / "model", paths)
    assert bad["error"].startswith("is no picture that can be read") and "label" not in bad
    assert good["label"] == "unripe" and good["score"] == pytest.approx(2 / 3)
    assert [one["label"] for one in good["top"]] == ["unripe", "ripe"]
    assert gone["error"].startswith("cannot be read")
