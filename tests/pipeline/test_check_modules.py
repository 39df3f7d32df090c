"""`graft check --modules`: what it sees in the Hub module, in Beam and in ops of one's own."""

import pytest
from commands_run import refusal


def test_an_endpoint_that_the_module_lacks_is_said_with_those_it_has(graft, write):
    config = write(model={"auxiliary_head": {"endpoint": "block_1O"}})
    assert graft("check", config)[0] == 0  # without a look into the module
    message = refusal(graft, "check", config, "--modules")
    assert "has no endpoint block_1O" in message and "block_10" in message


def test_an_endpoint_without_room_for_the_auxiliary_head_is_said_with_those_that_have(graft, write):
    config = write(
        model={"auxiliary_head": {"endpoint": "EfficientNetLite0/block_15"}},
        transform={"image_size": [96, 96]},
    )
    message = refusal(graft, "check", config, "--modules")
    assert "is 3x3 for images of 96x96 pixels" in message
    assert "EfficientNetLite0/block_10" in message


def test_a_module_of_one_size_refuses_another(graft, write, tmp_path):
    module = fixed_size_module(tmp_path / "small", train_mode=True)
    config = write(model={"backbone": {"handle": module}})
    message = refusal(graft, "check", config, "--modules")
    assert "takes images of 32 x 32 pixels only, not 224 x 224" in message
    size = "transform.image_size=[32, 32]"
    assert graft("check", config, "--modules", "--set", size)[0] == 0


def test_a_module_without_training_mode_is_refused_where_it_would_be_trained(
    graft, write, tmp_path
):
    handle = fixed_size_module(tmp_path / "small", train_mode=False)
    config = write(model={"backbone": {"handle": handle}}, transform={"image_size": [32, 32]})
    assert "no training mode" in refusal(graft, "check", config, "--modules")
    frozen = "train.phases=[{train: head, epochs: 1, learning_rate: 0.1}]"
    for way in ("model.backbone.batch_norm=inference", frozen):
        assert graft("check", config, "--modules", "--set", way)[0] == 0


def test_a_pattern_that_matches_no_variable_is_said_with_some_that_there_are(graft, write):
    phases = [{"train": ["*/blok_1/*"], "epochs": 1, "learning_rate": 0.1}]
    config = write(train={"phases": phases})
    message = refusal(graft, "check", config, "--modules")
    assert "'*/blok_1/*'" in message and "EfficientNetLite0/stem/kernel" in message
    phases[0]["train"] = ["*/block_1/*"]
    assert graft("check", write(train={"phases": phases}), "--modules")[0] == 0


def test_an_op_of_ones_own_is_tried_before_any_work(graft, write, tmp_path, monkeypatch):
    config = write(transform={"augment": [{"op": "ripeness_ops.warmer", "by": 0.1}]})
    assert "'ripeness_ops.warmer' cannot be imported" in refusal(
        graft, "check", config, "--modules"
    )
    code = "def warmer(by):\n    return lambda image, seed: image + [by, 0.0, -by]\n"
    (tmp_path / "ripeness_ops.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    assert graft("check", config, "--modules")[0] == 0
    wrong = "transform.augment=[{op: ripeness_ops.warmer, bye: 0.1}]"
    message = refusal(graft, "check", config, "--modules", "--set", wrong)
    assert message.startswith("error: transform.augment: ripeness_ops.warmer") and "bye" in message


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("beam.runner=FlonkRunner", "beam.runner: FlonkRunner cannot be had"),
        ("beam.options={paralelism: 2}", "did you mean 'parallelism'"),
        ("beam.options={direct_running_mode: many}", "invalid choice: 'many'"),
        ("beam.options={runner: FlinkRunner}", "name the runner in beam.runner"),
    ],
)
def test_a_runner_or_an_option_that_beam_does_not_know_is_said(graft, write, setting, said):
    message = refusal(graft, "check", write(), "--modules", "--set", setting)
    assert said in message and "\n" not in message.strip()


def fixed_size_module(folder, train_mode):
    """A TF2 module of 32 x 32 pixels."""
    import tensorflow as tf

    module = tf.train.Checkpoint()
    module.scale = tf.Variable(1.0)
    spec = tf.TensorSpec([None, 32, 32, 3], tf.float32)

    def features(images):
        return module.scale * tf.reduce_mean(images, [1, 2])

    if train_mode:
        module.__call__ = tf.function(lambda images, training=False: features(images))
        for training in (False, True):
            module.__call__.get_concrete_function(spec, training=training)
    else:
        module.__call__ = tf.function(features, [spec])
    module.variables = module.trainable_variables = [module.scale]
    tf.saved_model.save(module, str(folder))
    return str(folder)
