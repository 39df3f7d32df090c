import functools
import os
import shutil
import subprocess
import sys

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from trainer_samples import LABELS, SIZE, example, model_section, picture

from components.backbone.backbone import load_backbone
from components.trainer.network import Network
from components.trainer.records import load_preprocessing
from components.trainer.signatures import ServedModel, export

BATCH = [picture(label, seed) for seed in range(3) for label in LABELS]
JPEG = tf.io.encode_jpeg(tf.io.decode_png(BATCH[0])).numpy()
BAD = {
    "nothing": b"",
    "text": b"no picture",
    "half a PNG": BATCH[0][: len(BATCH[0]) // 2],
    "half a JPEG": JPEG[: len(JPEG) // 2],
    "the first bytes of a JPEG": JPEG[:3],
    "a GIF without frames": b"GIF89a" + bytes(7) + b";",
    "more pixels than can be held": BATCH[0][:16] + b"\x7f\xff\xff\xff" * 2 + BATCH[0][24:],
}
UNDECODED, UNPARSED = (
    b"cannot be decoded as a picture",
    b"is no Example with an encoded picture in `image`",
)


@pytest.fixture(scope="module")
def served(tmp_path_factory, module, preprocessing):
    """A network with an auxiliary head, moved away from where it began, and its export."""
    backbone = load_backbone(module, batch_norm="train")
    section = model_section(module, auxiliary_head={"endpoint": "tiny/map", "weight": 0.4})
    network = Network(backbone, len(LABELS), section, SIZE, seed=1)
    for i, variable in enumerate(network.variables):
        if variable.dtype == tf.float32:
            noise = tf.random.stateless_uniform(variable.shape, [i, 7], 0.0, 0.2)
            variable.assign_add(noise)
    network.head.kernel.assign(30 * tf.random.stateless_normal([8, len(LABELS)], [0, 3]))
    network.head.bias.assign(tf.zeros([len(LABELS)]))
    settings = load_preprocessing(preprocessing)
    model = ServedModel(backbone.export(), network.head, settings)
    folder = str(tmp_path_factory.mktemp("served") / "Format-Serving")
    export(model, folder, {})
    images = tf.stack([settings.serving()(tf.constant(image)) for image in BATCH])
    expected = tf.nn.softmax(network.head(network.features(images))).numpy()
    return folder, expected


def load(folder, name):
    model = tf.saved_model.load(folder)
    return model, model.signatures[name]


@functools.cache
def loaded(folder):
    """`serving_default`, once for all that hypothesis tries."""
    model, call = load(folder, "serving_default")
    call.model = model  # whose variables a signature does not keep alive
    return call


def test_the_reloaded_model_equals_the_one_in_memory(served):
    folder, expected = served
    model, call = load(folder, "serving_default")
    out = call(image_bytes=tf.constant(BATCH))
    np.testing.assert_allclose(out["probabilities"], expected, atol=1e-6)
    np.testing.assert_allclose(out["score"], expected.max(-1), atol=1e-6)
    best = [LABELS[i] for i in expected.argmax(-1)]
    assert [x.decode() for x in out["label"].numpy()] == best
    assert set(best) != {best[0]}


def test_examples_give_the_same_probabilities_and_all_classes(served):
    folder, expected = served
    model, call = load(folder, "serving_examples")
    examples = [example(image, "ignored", "id") for image in BATCH]
    out = call(examples=tf.constant(examples))
    np.testing.assert_allclose(out["probabilities"], expected, atol=1e-6)
    assert out["all_classes"].shape == (len(BATCH), len(LABELS))
    assert all([x.decode() for x in row] == LABELS for row in out["all_classes"].numpy())


@pytest.mark.parametrize("name", ["serving_default", "serving_examples"])
def test_an_empty_batch_is_answered_with_nothing(served, name):
    model, call = load(served[0], name)
    out = call(tf.zeros([0], tf.string))
    assert out["probabilities"].shape == (0, len(LABELS))
    assert out["error"].shape == (0,)


def test_a_picture_is_answered_alike_in_any_batch(served):
    model, call = load(served[0], "serving_default")
    whole = call(tf.constant(BATCH))["probabilities"]
    alone = call(tf.constant(BATCH[4:5]))["probabilities"]
    np.testing.assert_allclose(whole[4:5], alone, atol=1e-6)


def assert_marked(out, batch, call):
    """The bad pictures of a batch are marked; the good are answered as they are without them."""
    bad = np.array([image in BAD.values() for image in batch], bool)
    out = {name: values.numpy() for name, values in out.items()}
    assert out["error"].tolist() == [UNDECODED if b else b"" for b in bad]
    assert not out["label"][bad].any()
    assert not out["score"][bad].any() and not out["probabilities"][bad].any()
    good = call(tf.constant([x for x, b in zip(batch, bad, strict=True) if not b], tf.string))
    for name, values in good.items():
        np.testing.assert_array_equal(out[name][~bad], values)
    np.testing.assert_allclose(out["probabilities"].sum(-1), ~bad, atol=1e-6)


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_picture_is_marked_at_whatever_place_it_stands(served, kind):
    model, call = load(served[0], "serving_default")
    for place in range(len(BATCH) + 1):
        batch = [*BATCH[:place], BAD[kind], *BATCH[place:]]
        assert_marked(call(tf.constant(batch)), batch, call)


@hypothesis.settings(max_examples=30, deadline=None)
@hypothesis.given(st.lists(st.sampled_from([*BATCH, JPEG, *BAD.values()]), max_size=80))
def test_any_mixture_of_good_and_bad_is_answered_one_by_one(served, batch):
    call = loaded(served[0])
    assert_marked(call(tf.constant(batch, tf.string)), batch, call)


def test_a_batch_of_bad_pictures_alone_is_all_marked(served):
    model, call = load(served[0], "serving_default")
    batch = list(BAD.values()) * 10
    assert_marked(call(tf.constant(batch)), batch, call)


def test_what_is_no_example_with_a_picture_is_marked_as_that(served):
    model, call = load(served[0], "serving_examples")
    batch = [
        example(BATCH[1], "ignored", "id"),
        b"no Example",
        tf.train.Example().SerializeToString(),
        example(BAD["half a PNG"], "ignored", "id"),
        example(BATCH[4], "ignored", "id"),
    ]
    out = {name: values.numpy() for name, values in call(tf.constant(batch)).items()}
    assert out["error"].tolist() == [b"", UNPARSED, UNPARSED, UNDECODED, b""]
    np.testing.assert_array_equal(out["probabilities"][1:4], 0)
    good = call(tf.constant([batch[0], batch[4]]))["probabilities"]
    np.testing.assert_array_equal(out["probabilities"][[0, 4]], good)
    assert all([x.decode() for x in row] == LABELS for row in out["all_classes"])


@pytest.mark.parametrize("count", [31, 32, 33, 65, 1000])
def test_pictures_of_a_large_batch_are_answered_in_its_order(served, count):
    folder, expected = served
    model, call = load(folder, "serving_default")
    out = call(tf.constant((BATCH * count)[:count]))
    wanted = np.tile(expected, [count, 1])[:count]
    np.testing.assert_allclose(out["probabilities"], wanted, atol=1e-6)
    assert not out["error"].numpy().any()


def test_what_is_served_needs_nothing_of_training(served):
    from tensorflow.core.protobuf import saved_model_pb2

    folder, _ = served
    graph = saved_model_pb2.SavedModel()
    with open(os.path.join(folder, "saved_model.pb"), "rb") as f:
        graph.ParseFromString(f.read())
    ops = {n.op for fn in graph.meta_graphs[0].graph_def.library.function for n in fn.node_def}
    assert "DecodeImage" in ops
    assert not {op for op in ops if "PyFunc" in op or "Random" in op}
    shapes = [s for _, s in tf.train.list_variables(os.path.join(folder, "variables/variables"))]
    assert not [s for s in shapes if 768 in s or 128 in s]  # the auxiliary head's
    assert [8, len(LABELS)] in shapes


@pytest.mark.parametrize("count", [0, 1, 70])
def test_prepared_pictures_are_scored_as_those_that_it_prepares(served, preprocessing, count):
    folder, expected = served
    model, call = load(folder, "serving_images")
    prepare = load_preprocessing(preprocessing).serving()
    which = [i % len(BATCH) for i in range(count)]
    images = [prepare(tf.constant(BATCH[i])).numpy() for i in which]
    out = call(images=tf.constant(np.reshape(np.float32(images), [-1, *SIZE, 3])))
    assert set(out) == {"probabilities"}
    np.testing.assert_allclose(out["probabilities"], expected[which], atol=1e-6)


def test_another_process_serves_it_from_another_place(served, tmp_path):
    folder, expected = served
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    (tmp_path / "one.png").write_bytes(BATCH[0])
    code = (
        "import tensorflow as tf; m = tf.saved_model.load('elsewhere');"
        "out = m.signatures['serving_default'](tf.constant([b'', open('one.png', 'rb').read()]));"
        "assert out['error'].numpy().tolist() == [b'cannot be decoded as a picture', b''];"
        "print(out['probabilities'].numpy()[1].tolist())"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    answer = [float(x) for x in out.stdout.strip().strip("[]").split(",")]
    np.testing.assert_allclose(answer, expected[0], atol=1e-6)


def test_a_half_written_export_is_replaced(served, module, preprocessing, tmp_path):
    folder = tmp_path / "Format-Serving"
    (tmp_path / "Format-Serving.partial").mkdir()
    (tmp_path / "Format-Serving.partial" / "rubbish").write_text("")
    backbone = load_backbone(module, batch_norm="inference")
    network = Network(backbone, 3, model_section(module), SIZE, seed=1)
    settings = load_preprocessing(preprocessing)
    export(ServedModel(backbone.export(), network.head, settings), str(folder), {})
    assert os.listdir(tmp_path) == ["Format-Serving"]
    assert "rubbish" not in os.listdir(folder)
