"""A registration that is killed, doubled or not answered makes one version in the end."""

from contextlib import nullcontext

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

STEPS = [
    "create_experiment", "create_run", "log_batch", "log_text", "log_artifacts", "set_terminated",
    "create_registered_model", "create_model_version", "set_registered_model_alias",
    "set_model_version_tag",
]  # fmt: skip


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_registration_that_ended_at_any_step_is_finished_by_the_next(
    registry, entry, monkeypatch, step, when, assert_one_whole_version
):
    real = getattr(MlflowClient, step)

    def dying(*args, **kwargs):
        if when == "after":
            real(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, step, dying)
        with pytest.raises(KeyboardInterrupt):
            registry.register(entry)
    registry.register(entry)
    assert_one_whole_version()


def test_of_two_pushers_without_a_lock_the_first_version_stays(
    registry, entry, monkeypatch, assert_one_whole_version
):
    monkeypatch.setattr(type(registry), "_alone", lambda _: nullcontext())
    real = MlflowClient.create_model_version

    def twice(*args, **kwargs):
        real(*args, **kwargs)  # the other pusher, between our look and our step
        return real(*args, **kwargs)

    monkeypatch.setattr(MlflowClient, "create_model_version", twice)
    assert registry.register(entry).version == "1"
    assert_one_whole_version()


def test_what_passes_is_tried_again_and_registered_once(
    registry, entry, monkeypatch, assert_one_whole_version
):
    real, calls = MlflowClient.create_model_version, []

    def shaky(*args, **kwargs):
        calls.append(1)
        made = real(*args, **kwargs)
        if len(calls) < 3:
            raise MlflowException("the answer got lost")
        return made

    monkeypatch.setattr(MlflowClient, "create_model_version", shaky)
    assert registry.register(entry).version == "1"
    assert_one_whole_version()
