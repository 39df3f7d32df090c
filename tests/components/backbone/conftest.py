import numpy as np
import pytest
import tensorflow as tf

from components.backbone import lite0
from components.backbone.backbone import load_backbone


@pytest.fixture(scope="session")
def modules(tmp_path_factory):
    """The folder that holds EfficientNet-Lite0 in both formats."""
    folder = tmp_path_factory.mktemp("modules")
    lite0.build(folder / lite0.TF2_FOLDER, lite0.write_tf2)
    lite0.build(folder / lite0.TF1_FOLDER, lite0.write_tf1)
    return folder


@pytest.fixture(params=[lite0.TF2_FOLDER, lite0.TF1_FOLDER], ids=["tf2", "tf1"])
def load(request, modules):
    """Loads Lite0 in one of the formats: load(batch_norm=..., batch_norm_momentum=...)."""
    return lambda **settings: load_backbone(str(modules / request.param), **settings)


@pytest.fixture(scope="session")
def images():
    return tf.constant(np.random.default_rng(0).random([4, 64, 64, 3]), tf.float32)
