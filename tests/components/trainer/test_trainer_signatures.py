import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from trainer_samples import LABELS, SIZE, example, model_section, picture

from components.backbone.backbone import load_backbone
from components.trainer.network import Network
from components.trainer.records import load_preprocessing
from components.trainer.signatures import ServedModel, export

BATCH = [picture(label, seed) for seed in range(3) for label in LABELS]


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


def test_a_picture_is_answered_alike_in_any_batch(served):
    model, call = load(served[0], "serving_default")
    whole = call(tf.constant(BATCH))["probabilities"]
    alone = call(tf.constant(BATCH[4:5]))["probabilities"]
    np.testing.assert_allclose(whole[4:5], alone, atol=1e-6)


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


def test_another_process_serves_it_from_another_place(served, tmp_path):
    folder, expected = served
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    (tmp_path / "one.png").write_bytes(BATCH[0])
    code = (
        "import tensorflow as tf; m = tf.saved_model.load('elsewhere');"
        "print(m.signatures['serving_default'](tf.constant([open('one.png', 'rb').read()]))"
        "['probabilities'].numpy()[0].tolist())"
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
