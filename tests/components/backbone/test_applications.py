import functools

import keras_reference as reference
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from components.backbone import writer
from components.backbone.applications import blueprint, plan
from components.backbone.architectures import ARCHITECTURES
from components.backbone.backbone import load_backbone
from components.errors import BackboneError
from components.trainer.heads import AuxiliaryHead

DEVIATIONS = [0.229, 0.224, 0.225]  # of ImageNet's colours, as Keras has them
PUBLISHED = {  # parameters without the classifier, as Keras's documentation counts them
    "InceptionV3": 21_802_784,
    "MobileNetV2": 2_257_984,
    "ResNet50V2": 23_564_800,
    "EfficientNetB0": 4_049_571 - 1,  # without a counter
}
FORMATS = {"tf1": writer.write_tf1, "tf2": writer.write_tf2}


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


def as_variables(module):
    return {
        name: tf.Variable(value, trainable=name in module.trainable, name=name)
        for name, value in module.weights.items()
    }


def run(module, images, training=False):
    """Endpoints, and the variables after the call."""
    variables = as_variables(module)
    call = tf.function(
        lambda images: module.network(
            images, variables, training, module.momentum, lambda v, value: v.assign(value)
        )
    )
    return call(images), variables


# Keras takes seconds for each network: the quick tests look at the smallest.
QUICK = "MobileNetV2"
NETWORKS = [name if name == QUICK else slow(name) for name in ARCHITECTURES]


@pytest.fixture(params=NETWORKS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def random_module():
    """random_module(name) -> the network with random weights, of seed 1."""
    return functools.cache(lambda name: blueprint(name, "none", seed=1))


def test_agrees_with_plain_keras(name, images, tmp_path):
    images = tf.image.resize(images, [96, 96])
    model = reference.keras_network(name)
    model.save_weights(tmp_path / "weights.h5")
    module = blueprint(name, str(tmp_path / "weights.h5"))
    theirs = reference.with_endpoints(model, name)

    for training in (False, True):
        ours, variables = run(module, images, training)
        expected = theirs(reference.in_range(images, name), training=training)
        assert list(ours) == list(expected)
        for endpoint, value in expected.items():
            assert reference.distance(ours[endpoint], value) < 1e-4, endpoint
    for weight, value in reference.by_name(model, name).items():
        assert reference.distance(variables[weight], value) < 1e-4, weight
        assert np.array_equal(variables[weight], module.weights[weight]) != ("/moving_" in weight)


def learn(endpoints_and_losses, variables):
    """A step of training as tf.function, and what it gave: endpoints, and gradients by name."""

    @tf.function
    def step(images):
        with tf.GradientTape() as tape:
            endpoints, losses = endpoints_and_losses(images)
            loss = tf.add_n([tf.reduce_mean((endpoints["default"] - 1) ** 2), *losses])
        gradients = tape.gradient(loss, list(variables.values()))
        for variable, gradient in zip(variables.values(), gradients, strict=True):
            variable.assign_sub(0.01 * gradient)
        return endpoints, dict(zip(variables, gradients, strict=True))

    return step


def check_equivalence(name, images, folder):
    """Trains one step by the TF1 route, the TF2 route and plain Keras, and compares them."""
    momentum = 0.9
    model = reference.keras_network(name, momentum=momentum)
    model.save(folder / "model.keras")
    module = blueprint(name, str(folder / "model.keras"))

    theirs, all_theirs = reference.with_endpoints(model, name), reference.by_name(model, name)
    kernels = [v for n, v in all_theirs.items() if n.endswith("/kernel")]

    def keras(images):
        decay = ARCHITECTURES[name].weight_decay * tf.add_n([tf.nn.l2_loss(k) for k in kernels])
        return theirs(reference.in_range(images, name), training=True), [decay]

    trained = {n: v for n, v in all_theirs.items() if v.trainable}
    endpoints, gradients = learn(keras, trained)(images)

    for form, write in FORMATS.items():
        write(str(folder / form), module)
        backbone = load_backbone(
            str(folder / form), batch_norm="train", batch_norm_momentum=momentum
        )
        variables = {v.name.removesuffix(":0"): v for v in backbone.trainable_variables}
        assert variables.keys() == trained.keys()
        step = learn(lambda x, b=backbone: b.endpoints_and_losses(x, training=True), variables)
        our_endpoints, our_gradients = step(images)

        assert our_endpoints.keys() == endpoints.keys()
        for endpoint, value in endpoints.items():
            assert reference.distance(our_endpoints[endpoint], value) < 1e-4, (form, endpoint)
        for variable, value in gradients.items():
            found = reference.distance(our_gradients[variable], value)
            assert found < 1e-3 and np.any(value), (form, variable, found)
        for variable in backbone.variables:
            if "/moving_" in variable.name:
                found = reference.distance(variable, all_theirs[variable.name.removesuffix(":0")])
                assert found < 1e-4, (form, variable.name, found)
        after = load_backbone(str(folder / form)).endpoints(images, training=False)["default"]
        ours = backbone.endpoints(images, training=False)["default"]
        assert reference.distance(ours, after) > 1e-3  # inference knows of the step
        expected = theirs(reference.in_range(images, name), training=False)["default"]
        assert reference.distance(ours, expected) < 1e-3, form


@pytest.mark.slow
@pytest.mark.parametrize("name", ["InceptionV3", "MobileNetV2"])
def test_both_formats_learn_as_keras_does(name, tmp_path):
    images = tf.constant(np.random.default_rng(0).random([4, 139, 139, 3]), tf.float32)
    check_equivalence(name, images, tmp_path)


def shapes(module, side):
    variables = as_variables(module)
    call = tf.function(
        lambda images: module.network(images, variables, False, module.momentum, lambda *_: None)
    )
    graph = call.get_concrete_function(tf.TensorSpec([2, side, side, 3], tf.float32))
    return {name: tuple(shape) for name, shape in graph.output_shapes.items()}


def test_endpoints_have_the_published_shapes(name, random_module):
    side = 299 if name == "InceptionV3" else 224
    found = {name: shape[1:] for name, shape in shapes(random_module(name), side).items()}
    expected = {
        "InceptionV3": {
            "InceptionV3/Conv2d_1a_3x3": (149, 149, 32),
            "InceptionV3/Conv2d_2a_3x3": (147, 147, 32),
            "InceptionV3/Conv2d_2b_3x3": (147, 147, 64),
            "InceptionV3/MaxPool_3a_3x3": (73, 73, 64),
            "InceptionV3/Conv2d_3b_1x1": (73, 73, 80),
            "InceptionV3/Conv2d_4a_3x3": (71, 71, 192),
            "InceptionV3/MaxPool_5a_3x3": (35, 35, 192),
            "InceptionV3/Mixed_5b": (35, 35, 256),
            "InceptionV3/Mixed_5c": (35, 35, 288),
            "InceptionV3/Mixed_5d": (35, 35, 288),
            "InceptionV3/Mixed_6a": (17, 17, 768),
            "InceptionV3/Mixed_6b": (17, 17, 768),
            "InceptionV3/Mixed_6c": (17, 17, 768),
            "InceptionV3/Mixed_6d": (17, 17, 768),
            "InceptionV3/Mixed_6e": (17, 17, 768),
            "InceptionV3/Mixed_7a": (8, 8, 1280),
            "InceptionV3/Mixed_7b": (8, 8, 2048),
            "InceptionV3/Mixed_7c": (8, 8, 2048),
            "InceptionV3/global_pool": (1, 1, 2048),
            "default": (2048,),
        },
        "MobileNetV2": {
            "MobilenetV2/layer_1": (112, 112, 32),
            "MobilenetV2/layer_2": (112, 112, 16),
            "MobilenetV2/layer_7": (28, 28, 32),
            "MobilenetV2/layer_15": (7, 7, 160),
            "MobilenetV2/layer_18": (7, 7, 320),
            "MobilenetV2/layer_19": (7, 7, 1280),
            "MobilenetV2/global_pool": (1, 1, 1280),
            "default": (1280,),
        },
        "ResNet50V2": {
            "resnet_v2_50/conv1": (112, 112, 64),
            "resnet_v2_50/block1": (28, 28, 256),
            "resnet_v2_50/block2": (14, 14, 512),
            "resnet_v2_50/block3": (7, 7, 1024),
            "resnet_v2_50/block4": (7, 7, 2048),
            "default": (2048,),
        },
        "EfficientNetB0": {
            "EfficientNetB0/stem": (112, 112, 32),
            "EfficientNetB0/block_4": (28, 28, 40),
            "EfficientNetB0/block_10": (14, 14, 112),
            "EfficientNetB0/block_15": (7, 7, 320),
            "EfficientNetB0/head": (7, 7, 1280),
            "default": (1280,),
        },
    }[name]
    assert {endpoint: found.get(endpoint) for endpoint in expected} == expected


@pytest.mark.slow
def test_the_auxiliary_head_on_inception_v3_is_slims(random_module):
    classes = 7
    endpoint = shapes(random_module("InceptionV3"), 299)["InceptionV3/Mixed_6e"]
    head = AuxiliaryHead(endpoint[1:], classes, seed=0)

    x, sizes = tf.zeros(endpoint), []
    for layer in head._layers:
        x = layer(x)
        sizes.append(tuple(x.shape[1:]))
    pooled, squeezed, joined, logits = (sizes[i] for i in (0, 1, 4, 7))
    assert pooled == (5, 5, 768) and squeezed == (5, 5, 128)
    assert joined == (1, 1, 768) and logits == (1, 1, classes)

    # slim's AuxLogits: two convolutions whose batch norm has a beta and no gamma, then one with
    # biases. The moving averages are not trained.
    slims = 768 * 128 + 128 + 5 * 5 * 128 * 768 + 768 + 768 * classes + classes
    assert sum(v.shape.num_elements() for v in head.trainable_variables) == slims


def test_random_weights_are_a_function_of_the_seed(name, random_module):
    first, again, other = (
        module.weights
        for module in (random_module(name), blueprint(name, "none", 1), blueprint(name, "none", 2))
    )
    assert all(np.array_equal(first[n], again[n]) for n in first)
    kernels = [n for n in first if n.endswith("kernel")]
    assert not any(np.array_equal(first[n], other[n]) for n in kernels)
    assert all(np.std(first[n]) > 1e-3 for n in kernels)
    assert sum(w.size for w in first.values()) == PUBLISHED[name]


@pytest.mark.parametrize("top", [True, False])
@pytest.mark.parametrize(
    "file", ["whole.h5", "whole.keras", slow("only.h5"), slow("only.weights.h5")]
)
def test_a_file_of_weights_may_be_of_any_kind(file, top, tmp_path):
    model = tf_keras.applications.MobileNetV2(include_top=top, weights=None, classes=5)
    save = model.save if file.startswith("whole") else model.save_weights
    save(str(tmp_path / file))
    weights = blueprint("MobileNetV2", str(tmp_path / file)).weights
    for name, expected in reference.by_name(model, "MobileNetV2").items():
        if "/predictions/" not in name:
            np.testing.assert_array_equal(weights[name], expected, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["whole.h5", "whole.keras"])
def test_a_file_may_come_from_a_process_that_counted_on(file, tmp_path):
    for _ in range(2):
        model = tf_keras.applications.InceptionV3(include_top=False, weights=None)
    layers = sorted(
        (x for x in model.layers if isinstance(x, tf_keras.layers.Conv2D)),
        key=lambda x: int(x.name.rpartition("_")[2]),
    )
    assert layers[0].name != "conv2d"
    model.save(str(tmp_path / file))
    weights = blueprint("InceptionV3", str(tmp_path / file)).weights
    for number, layer in enumerate(layers):
        name = f"InceptionV3/conv2d{f'_{number}' if number else ''}/kernel"
        np.testing.assert_array_equal(weights[name], layer.kernel, err_msg=name)


def test_a_file_of_another_network_is_refused(tmp_path):
    path = str(tmp_path / "weights.h5")
    other = tf_keras.Sequential([tf_keras.layers.Conv2D(32, 5, input_shape=[8, 8, 3])])
    other.save_weights(path)
    with pytest.raises(BackboneError, match="are not those of MobileNetV2, whose layer Conv1 has"):
        blueprint("MobileNetV2", path)


def test_a_file_that_holds_no_weights_is_refused(tmp_path):
    (tmp_path / "weights.h5").write_text("none")
    with pytest.raises(BackboneError, match="cannot be read as Keras weights"):
        blueprint("MobileNetV2", str(tmp_path / "weights.h5"))


def test_without_a_network_the_download_says_what_to_do(monkeypatch):
    def refuse(*_, **__):
        raise OSError("URL fetch failure on https://example.com/weights.h5")

    monkeypatch.setattr("tf_keras.src.utils.data_utils.get_file", refuse)
    with pytest.raises(BackboneError, match="cannot be downloaded.*--weights FILE"):
        blueprint("MobileNetV2", "imagenet")


@pytest.mark.slow
def test_imagenet_colours_are_normalized_as_in_training(monkeypatch, images, tmp_path):
    model = reference.keras_network("EfficientNetB0")
    model.get_layer("normalization").set_weights(
        [np.array([0.485, 0.456, 0.406]), np.array(DEVIATIONS), np.array(0)]
    )
    model.save_weights(tmp_path / "weights.h5")
    monkeypatch.setattr(
        "tf_keras.src.utils.data_utils.get_file", lambda *_, **__: str(tmp_path / "weights.h5")
    )
    # Keras divides by the deviations' roots, and by them again in a layer that it adds.
    expected = reference.keras_network("EfficientNetB0", weights="imagenet")(images * 255)
    for weights in ("imagenet", str(tmp_path / "weights.h5")):
        ours, _ = run(blueprint("EfficientNetB0", weights), images)
        assert reference.distance(ours["EfficientNetB0/head"], expected) < 1e-4


def test_a_layer_that_is_not_known_is_named():
    model = tf_keras.Sequential(
        [tf_keras.layers.Input([8, 8, 3]), tf_keras.layers.LayerNormalization(name="odd")]
    )
    with pytest.raises(BackboneError, match="layer odd is of the class LayerNormalization"):
        plan(model)
