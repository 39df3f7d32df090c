import numpy as np
import pytest
import tensorflow as tf

from components.backbone import lite0
from components.backbone.backbone import load_backbone

FOLDERS = {"tf2": lite0.TF2_FOLDER, "tf1": lite0.TF1_FOLDER}


@pytest.fixture(scope="session")
def modules(tmp_path_factory):
    """The folder that holds EfficientNet-Lite0 in both formats."""
    folder = tmp_path_factory.mktemp("modules")
    lite0.build(folder / lite0.TF2_FOLDER, lite0.write_tf2)
    lite0.build(folder / lite0.TF1_FOLDER, lite0.write_tf1)
    return folder


@pytest.fixture(scope="session")
def load_format(modules):
    """load_format("tf1" or "tf2", **settings) -> Lite0 with its ImageNet weights.

    Loading takes seconds: equal calls give the same object, its weights set back.
    """
    loaded = {}

    def load(form, **settings):
        key = form, *sorted(settings.items())
        if key not in loaded:
            backbone = load_backbone(str(modules / FOLDERS[form]), **settings)
            loaded[key] = backbone, [v.numpy() for v in backbone.variables]
        backbone, weights = loaded[key]
        for variable, value in zip(backbone.variables, weights, strict=True):
            variable.assign(value)
        return backbone

    return load


@pytest.fixture(params=FOLDERS)
def load(request, load_format):
    """load(**settings) -> Lite0 in one of the formats."""
    return lambda **settings: load_format(request.param, **settings)


@pytest.fixture(scope="session")
def images():
    return tf.constant(np.random.default_rng(0).random([4, 64, 64, 3]), tf.float32)
