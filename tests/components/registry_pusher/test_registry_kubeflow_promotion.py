"""Promotion and the way back over a Kubeflow Model Registry, which keeps no files of its own."""

import dataclasses

import pytest

from components.errors import RegistryError
from components.pusher.push import is_withdrawn, newest, push
from components.registry_pusher.promotion import delete, previous, promote, rollback


def test_champions_come_and_go_as_with_mlflow(kubeflow, make_entry, tmp_path):
    serving, contents = tmp_path / "serving", []
    for text in ("good", "bad"):
        entry = make_entry(text)
        path = push(entry.model_path, serving, entry.content_hash)
        entry = dataclasses.replace(entry, pushed_path=path)
        kubeflow.register(entry, champion=text == "good")
        contents.append(entry.content_hash)

    def version(number):
        return next(it for it in kubeflow.versions("ripeness") if it.version == number)

    rollback(kubeflow, previous(kubeflow, "ripeness", serving), serving)
    assert newest(serving)[::2] == (3, contents[0]) and is_withdrawn(serving, contents[1])
    assert version("1").aliases == ["challenger", "champion"]
    assert version("1").uri == str(serving / "3")
    promote(kubeflow, version("2"), serving)
    assert newest(serving)[::2] == (4, contents[1]) and not is_withdrawn(serving, contents[1])
    assert kubeflow.champions("ripeness") == ["1", "2"]
    rollback(kubeflow, previous(kubeflow, "ripeness", serving), serving)
    assert kubeflow.champions("ripeness") == ["1"]
    third = make_entry("third")
    assert kubeflow.register(third, challenger=False).created
    assert version("3").aliases == []
    kubeflow.set_champions("ripeness", ["1", "2"])
    kubeflow.register(make_entry("good"), champion=True)  # pushed again
    assert kubeflow.champions("ripeness") == ["2", "1"]
    kubeflow.set_champions("ripeness", ["1"])
    with pytest.raises(RegistryError, match="is the challenger and the champion"):
        delete(kubeflow, version("1"))
    delete(kubeflow, version("2"))
    assert [it.version for it in kubeflow.versions("ripeness")] == ["3", "1"]
