"""Two devices as one: here two halves of one CPU, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from trainer_samples import model_section, train_section

pytestmark = pytest.mark.slow

RUN = """
import json, sys
import numpy as np
import tensorflow as tf
from components.trainer import distribution
from components.trainer.fn_args import FnArgs
from components.trainer.run_fn import run_fn

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
distribution.get_devices = lambda: ["CPU:0", "CPU:1"][: int(sys.argv[2])]
fn_args = FnArgs(**json.loads(sys.argv[1]))
run_fn(fn_args)
model = tf.saved_model.load(fn_args.serving_model)
weights = {v.name: v.numpy() for v in [*model.backbone._weights, model.head.kernel]}
np.savez(fn_args.model_run + "/weights.npz", **weights)
"""


def trained(make_fn_args, devices, **settings):
    fn_args = make_fn_args(f"devices-{devices}", **settings)
    values = {k: v for k, v in vars(fn_args).items() if k != "progress"}
    here = str(Path(__file__).parents[3])
    command = [sys.executable, "-c", RUN, json.dumps(values), str(devices)]
    ended = subprocess.run(command, cwd=here, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    history = json.loads(Path(fn_args.model_run, "history.json").read_text())
    return history, dict(np.load(Path(fn_args.model_run, "weights.npz")))


def test_two_devices_learn_what_one_does(make_fn_args, module):
    """Without dropout and batch moments, which each device has of its own, they are the same."""
    model = model_section(module, dropout=0.0)
    model["backbone"]["batch_norm"] = "inference"
    phases = (("head", 1, 1e-2), ("all", 2, 1e-2))
    settings = {"model": model, "train": train_section(*phases, first_layer_rate=0.5)}
    (history, weights), (one_history, one_weights) = (
        trained(make_fn_args, devices, **settings) for devices in (2, 1)
    )
    assert len(history) == 3
    for ours, theirs in zip(history, one_history, strict=True):
        np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=1e-4)
        np.testing.assert_allclose(ours["eval_loss"], theirs["eval_loss"], rtol=1e-4)
    for name in weights:
        np.testing.assert_allclose(weights[name], one_weights[name], atol=1e-4, err_msg=name)


def test_two_devices_agree_on_the_moving_averages(make_fn_args, module):
    history, weights = trained(make_fn_args, 2, train=train_section(("all", 3, 1e-2)))
    _, one = trained(make_fn_args, 1, train=train_section(("all", 3, 1e-2)))
    assert history[-1]["loss"] < history[0]["loss"]
    np.testing.assert_allclose(weights["mean:0"], one["mean:0"], atol=0.1)
    assert np.abs(one["mean:0"]).max() > 0.2
