import numpy as np
import pytest
import tensorflow as tf
import tiny_evaluator as tiny

from components.errors import EvaluationError
from components.evaluator.predictions import predict

NAMES = ["blue", "green", "red"]
NO_PICTURE = tiny.example(b"no picture", "red", 99)


class MarkingModel(tiny.ColourModel):
    """Marks a bad picture, as ours do."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def serving_examples(self, examples):
        images = tf.io.parse_example(examples, {"image": tf.io.FixedLenFeature([], tf.string)})
        bad = images["image"] == b"no picture"
        stand_in = tiny.picture((0, 0, 0), 0)
        names = tf.repeat(self.labels[None], tf.shape(examples)[0], axis=0)
        return {
            "probabilities": self._probabilities(tf.where(bad, stand_in, images["image"])),
            "all_classes": names,
            "error": tf.where(bad, "cannot be decoded as a picture", ""),
        }


def files(folder, records):
    tiny.write_records(folder, records, shards=1)
    return [str(folder / "Split-test" / "data_tfrecord-00000-of-00001.gz")]


def alone(folder, records):
    """What a model says of each record, asked about one at a time."""
    ask = tf.saved_model.load(folder).signatures["serving_examples"]
    return np.concatenate([ask(examples=tf.constant([r]))["probabilities"] for r in records])


@pytest.fixture(scope="module")
def marking(tmp_path_factory):
    return tiny.save(MarkingModel(NAMES), tmp_path_factory.mktemp("marking") / "model")


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """A model without `error`, as blessed models were before there was one."""
    model = tiny.ColourModel(NAMES[::-1], bias=1.0)
    return tiny.save(model, tmp_path_factory.mktemp("older") / "model")


@pytest.mark.parametrize("count", [1, 32, 150])
def test_rows_and_answers_keep_the_order_of_the_examples(marking, older, tmp_path, count):
    records, models, seen = tiny.test_split(count), [marking, older], []
    rows, scores = predict(files(tmp_path, records), models, seen.append)
    assert rows.ids == [f"{i:016x}" for i in range(count)]
    assert rows.columns == {"site": ["ab"[i % 2] for i in range(count)]}
    assert sum(seen) == count and max(seen) <= 32
    assert [score.classes for score in scores] == [NAMES, NAMES[::-1]]
    for model, score in zip(models, scores, strict=True):
        np.testing.assert_allclose(score.probabilities, alone(model, records), atol=1e-6)


def test_no_examples_give_no_rows(marking, tmp_path):
    rows, (scores,) = predict(files(tmp_path, []), [marking])
    assert rows.ids == [] and scores.probabilities.shape == (0, 0)


@pytest.mark.parametrize("place", [0, 31, 32, 70])
def test_a_picture_that_a_model_cannot_read_is_named(marking, older, tmp_path, place):
    records = tiny.test_split(70)
    records.insert(place, NO_PICTURE)
    written = files(tmp_path, records)
    for models in ([marking], [marking, older], [older], [older, marking]):
        with pytest.raises(EvaluationError) as error:
            predict(written, models)
        message = str(error.value)
        assert message.startswith("red/99.png: the model cannot read this picture: ")
        assert message.endswith(f"leave it out (the model is {models[0]})")
        assert models[0] == older or "picture: cannot be decoded as a picture;" in message


class Broken(tiny.ColourModel):
    """Fails in a way that no single picture causes."""

    def _probabilities(self, image_bytes):
        with tf.control_dependencies([tf.debugging.assert_less(tf.size(image_bytes), 2)]):
            return super()._probabilities(tf.identity(image_bytes))


def test_a_model_that_fails_for_no_single_picture_blames_none(tmp_path):
    model = tiny.save(Broken(NAMES), tmp_path / "model")
    with pytest.raises(tf.errors.InvalidArgumentError):
        predict(files(tmp_path, tiny.test_split(3)), [model])
