import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_sample_images

from components.backbone import lite0
from components.backbone.lite0_network import imagenet_classifier, imagenet_weights
from components.content import content_hash
from components.errors import BackboneError

PALACE, DAISY = 698, 985  # in ImageNet's 1,000 classes


@pytest.fixture(scope="module")
def photos():
    """A Chinese palace and a yellow dahlia: the largest centred square, at 224 pixels."""

    def square(photo):
        height, width, _ = photo.shape
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        box = photo[top : top + side, left : left + side].astype(np.float32) / 255
        return tf.image.resize(box, [224, 224], antialias=True)

    return tf.stack([square(photo) for photo in load_sample_images().images])


def test_knows_imagenet(load, photos):
    kernel, bias = imagenet_classifier()
    features = load(batch_norm="inference").endpoints(photos, training=False)["default"]
    scores = tf.nn.softmax(features @ kernel + bias).numpy()

    assert scores.argmax(-1).tolist() == [PALACE, DAISY]
    # The classes survive a wrong padding or order of the colours; the scores do not. They are
    # those of a straight reading of the same weights that shares no code with the module.
    np.testing.assert_allclose([scores[0, PALACE], scores[1, DAISY]], [0.326, 0.210], atol=0.005)


def test_a_build_is_kept_and_another_version_is_replaced(tmp_path, monkeypatch):
    def write(folder):
        (tmp_path / folder).mkdir()
        written.append(folder)

    written, folder = [], tmp_path / "modules" / "small"
    assert lite0.build(folder, write)
    assert not lite0.build(folder, write)
    monkeypatch.setattr(lite0, "VERSION", "next")
    assert lite0.build(folder, write)
    assert len(written) == 2


def test_a_build_that_breaks_off_leaves_nothing(tmp_path):
    def write(folder):
        (tmp_path / folder).mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lite0.build(tmp_path / "modules" / "small", write)
    assert not list((tmp_path / "modules").iterdir())


def test_a_build_does_not_replace_what_is_not_its_own(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(BackboneError, match="is in the way"):
        lite0.build(tmp_path, lite0.write_tf1)
    assert (tmp_path / "saved_model.pb").exists()


def test_the_command_says_a_line_for_each_module(modules, capsys):
    lite0.main([str(modules)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith("is there already") for line in lines] == [True, True]


def test_asking_for_what_is_current_is_silent_and_costs_no_tensorflow(modules):
    program = (
        "import sys; from components.backbone import lite0\n"
        f"lite0.main(['--quiet', {str(modules)!r}])\n"
        "assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b""


def test_weights_have_the_published_size():
    sizes = {name: value.size for name, value in imagenet_weights().items()}
    trained = sum(size for name, size in sizes.items() if "/moving_" not in name)
    # 4.7 million parameters (the Lite variants' release) with the classifier's 1.28 million.
    assert trained + sum(w.size for w in imagenet_classifier()) == pytest.approx(4.65e6, rel=0.01)


@pytest.mark.slow
def test_two_builds_are_one_content(tmp_path):
    for name in ("a", "b"):
        command = [sys.executable, "-m", "components.backbone.lite0", str(tmp_path / name)]
        subprocess.run(command, capture_output=True, check=True)
    for folder in (lite0.TF2_FOLDER, lite0.TF1_FOLDER):
        assert content_hash(tmp_path / "a" / folder) == content_hash(tmp_path / "b" / folder)
