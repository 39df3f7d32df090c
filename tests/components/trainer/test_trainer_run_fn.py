import json
import os

import tensorflow as tf
from trainer_samples import picture

from components.trainer.run_fn import run_fn


def history_of(fn_args):
    with open(os.path.join(fn_args.model_run, "history.json")) as f:
        return json.load(f)


def test_a_training_learns_and_leaves_a_history(make_fn_args):
    fn_args = make_fn_args()
    run_fn(fn_args)
    history = history_of(fn_args)
    print(json.dumps(history, indent=1))
    assert [(e["phase"], e["epoch"]) for e in history] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    model = tf.saved_model.load(fn_args.serving_model)
    out = model.signatures["serving_default"](tf.constant([picture("bars", 1), picture("dots", 2)]))
    print(out)
