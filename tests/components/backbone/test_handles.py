import json
import subprocess
import sys

import pytest
import tensorflow as tf
import tensorflow_hub

from components.backbone.backbone import load_backbone
from components.backbone.handles import describe, resolve
from components.errors import BackboneError

v1 = tf.compat.v1
IMAGES = ("images", tf.float32, [None, None, None, 3])
TEXT = ("text", tf.string, [None])


def write_tf1(folder, tag_sets=((), ("train",)), takes=IMAGES, use_resource=True):
    """A small module in the TF1 Hub format: the mean colour, scaled."""
    name, dtype, shape = takes
    builder = v1.saved_model.Builder(str(folder))
    for number, tags in enumerate(tag_sets):
        with tf.Graph().as_default(), v1.Session() as session:
            inputs = v1.placeholder(dtype, shape, name)
            scale = v1.get_variable("scale", [3], use_resource=use_resource)
            colours = inputs if dtype == tf.float32 else tf.zeros([1, 1, 1, 3])
            outputs = {"default": tf.reduce_mean(colours, [1, 2]) * scale}
            signature = v1.saved_model.predict_signature_def({name: inputs}, outputs)
            session.run(v1.global_variables_initializer())
            if number:
                builder.add_meta_graph(tags, {"default": signature})
            else:
                builder.add_meta_graph_and_variables(session, tags, {"default": signature})
    builder.save()
    (folder / "tfhub_module.pb").write_bytes(b"\x08\x03")
    return str(folder)


def write_tf2(folder, spec, function, trainable=True):
    """A small module with Hub's reusable interface."""
    module = tf.train.Checkpoint()
    module.scale = tf.Variable([1.0, 2.0, 3.0])
    module.variables = [module.scale]
    module.trainable_variables = [module.scale] if trainable else []
    module.__call__ = tf.function(lambda images: function(images, module.scale), [spec])
    tf.saved_model.save(module, str(folder))
    return str(folder)


def mean_colour(images, scale):
    return tf.reduce_mean(images, [1, 2]) * scale


ANY_SIZE = tf.TensorSpec([None, None, None, 3], tf.float32)


def test_a_folder_is_its_own_handle(load):
    path = load(batch_norm="inference").handle
    assert resolve(path) == path


def test_describe_tells_what_a_module_offers(load):
    backbone = load(batch_norm="inference")
    info = describe(backbone.path)
    assert info.format == backbone.format
    assert info.trainable and info.image_size is None
    assert info.endpoints == backbone.endpoint_shapes
    assert info.endpoints["EfficientNetLite0/block_15"] == (None, None, None, 320)
    assert info.tags == ([[], ["train"]] if info.format == "TF1 Hub format" else [["serve"]])


def test_handles_cost_no_tensorflow():
    code = "import components.backbone.handles, json, sys; print(json.dumps(list(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert "tensorflow" not in json.loads(out)


@pytest.mark.parametrize("handle", ["modules/nowhere", "/nowhere", "google/inception_v3/1"])
def test_no_such_folder(handle):
    with pytest.raises(BackboneError, match="there is no such folder"):
        load_backbone(handle)


def test_a_file_is_no_module(tmp_path):
    (tmp_path / "module.tar.gz").touch()
    with pytest.raises(BackboneError, match="is a file"):
        load_backbone(str(tmp_path / "module.tar.gz"))


def test_a_folder_without_a_module(tmp_path):
    with pytest.raises(BackboneError, match="holds no saved_model.pb"):
        load_backbone(str(tmp_path))


@pytest.mark.parametrize("marker", [[], ["tfhub_module.pb"]])
def test_a_broken_module(tmp_path, marker):
    for name in ["saved_model.pb", *marker]:
        (tmp_path / name).write_bytes(b"\xffno protocol buffer")
    with pytest.raises(BackboneError, match="cannot be (read|loaded)"):
        load_backbone(str(tmp_path))


def test_a_handle_that_cannot_be_fetched(monkeypatch):
    def refuse(handle):
        raise OSError("HTTP Error 403: Forbidden")

    monkeypatch.setattr(tensorflow_hub, "resolve", refuse)
    with pytest.raises(BackboneError, match="cannot be fetched.*403.*TFHUB_CACHE_DIR"):
        load_backbone("https://tfhub.dev/google/imagenet/inception_v3/feature_vector/5")


def test_a_handle_that_hub_brings(monkeypatch, tmp_path):
    folder = write_tf2(tmp_path / "cached", ANY_SIZE, mean_colour)
    monkeypatch.setattr(tensorflow_hub, "resolve", lambda handle: folder)
    backbone = load_backbone("https://example.com/module")
    assert (backbone.handle, backbone.path) == ("https://example.com/module", folder)


def test_reference_variables_are_refused(tmp_path):
    path = write_tf1(tmp_path / "module", use_resource=False)
    with pytest.raises(BackboneError, match="reference variables"):
        load_backbone(path)


def test_without_a_train_tag_there_is_no_fine_tuning_in_training_mode(tmp_path, images):
    path = write_tf1(tmp_path / "module", tag_sets=((),))
    assert not describe(path).trainable
    with pytest.raises(BackboneError, match='no graph tagged "train"'):
        load_backbone(path, batch_norm="train")
    backbone = load_backbone(path)
    assert backbone.endpoints(images, training=False)["default"].shape == (4, 3)
    with pytest.raises(BackboneError, match="no training mode"):
        backbone.endpoints(images, training=True)
    assert load_backbone(path, batch_norm="inference").endpoints(images, training=True)


def test_without_an_inference_graph_there_is_no_module(tmp_path):
    with pytest.raises(BackboneError, match="no graph without tags"):
        load_backbone(write_tf1(tmp_path / "module", tag_sets=(("serve",),)))


def test_a_small_module_needs_no_update_ops_nor_hyperparameters(tmp_path, images):
    backbone = load_backbone(write_tf1(tmp_path / "module"), batch_norm_momentum=0.9)
    endpoints, losses = backbone.endpoints_and_losses(images, training=True)
    assert endpoints["default"].shape == (4, 3) and losses == []


def test_a_text_module_is_refused(tmp_path):
    with pytest.raises(BackboneError, match=r"no feature vectors of images.*text string"):
        load_backbone(write_tf1(tmp_path / "tf1", takes=TEXT))
    length = lambda texts, scale: tf.strings.length(texts)  # noqa: E731
    path = write_tf2(tmp_path / "tf2", tf.TensorSpec([None], tf.string), length)
    with pytest.raises(BackboneError, match="takes no images"):
        load_backbone(path)


def test_a_module_that_gives_the_feature_vector_alone(tmp_path, images):
    backbone = load_backbone(write_tf2(tmp_path / "module", ANY_SIZE, mean_colour))
    assert backbone.endpoint_shapes == {"default": (None, 3)}
    assert list(backbone.endpoints(images, training=False)) == ["default"]
    assert backbone.losses() == []


def test_a_module_without_a_training_argument(tmp_path, images):
    path = write_tf2(tmp_path / "module", ANY_SIZE, mean_colour)
    with pytest.raises(BackboneError, match="takes no argument `training`"):
        load_backbone(path, batch_norm="train")
    backbone = load_backbone(path, batch_norm="inference")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(backbone.endpoints(images, training=True)["default"])
    assert tape.gradient(loss, backbone.trainable_variables)[0] is not None


def test_a_module_that_gives_no_vector(tmp_path):
    path = write_tf2(tmp_path / "module", ANY_SIZE, lambda images, scale: images * scale)
    with pytest.raises(BackboneError, match="gives no feature vector"):
        load_backbone(path)


def test_a_model_with_nothing_but_signatures(tmp_path):
    model = tf.Module()
    serve = tf.function(lambda x: {"y": x}, [tf.TensorSpec([None], tf.float32)])
    tf.saved_model.save(model, str(tmp_path), signatures=serve)
    with pytest.raises(BackboneError, match=r"cannot be called.*serving_default"):
        load_backbone(str(tmp_path))


def test_a_module_of_one_size_says_which(tmp_path, images):
    path = write_tf2(tmp_path / "module", tf.TensorSpec([None, 32, 48, 3]), mean_colour)
    assert describe(path).image_size == (32, 48)
    with pytest.raises(BackboneError, match=r"32 x 48.*not 64 x 64.*\[32, 48\]"):
        load_backbone(path).endpoints(images, training=False)
