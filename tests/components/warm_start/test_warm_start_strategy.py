"""Which model a training begins from."""

import pytest
from tfx.types import standard_artifacts

from components.trainer.warm_start import weights_folder
from components.warm_start.strategy import LatestBlessedOfOtherExamples


class Store:
    """Models with their blessings, numbered in the order in which they were made."""

    def __init__(self, folder):
        self._folder, self._last = folder, 0
        self.channels = {"model": [], "model_blessing": [], "infra_blessing": []}

    def add(self, key, kind, **properties):
        self._last += 1
        artifact = kind()
        artifact.id, artifact.uri = self._last, str(self._folder / str(self._last))
        for name, value in properties.items():
            if isinstance(value, int):
                artifact.set_int_custom_property(name, value)
            else:
                artifact.set_string_custom_property(name, value)
        self.channels[key].append(artifact)
        return artifact

    def model(self, trained_on, blessed=True, passed=True, weights=True):
        model = self.add("model", standard_artifacts.Model, trained_on=trained_on)
        if weights:
            (self._folder / weights_folder(model.uri)).mkdir(parents=True)
        for key, kind, verdict in (
            ("model_blessing", standard_artifacts.ModelBlessing, blessed),
            ("infra_blessing", standard_artifacts.InfraBlessing, passed),
        ):
            self.add(key, kind, current_model_id=model.id, blessed=int(verdict))
        return model

    def resolve(self, examples):
        now = standard_artifacts.Examples()
        now.uri = examples
        given = {**self.channels, "transformed_examples": [now]}
        found = LatestBlessedOfOtherExamples().resolve_artifacts(None, given)
        assert set(found) == set(given)
        return found["model"]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_the_first_run_finds_none(store):
    assert store.resolve("span-1") == []


def test_a_new_span_begins_from_the_latest_blessed_model(store):
    store.model("span-1")
    second = store.model("span-2")
    store.model("span-3", blessed=False)
    store.model("span-3", passed=False)
    assert store.resolve("span-4") == [second]


def test_an_unchanged_run_finds_what_the_run_before_it_found(store):
    first = store.model("span-1")
    assert store.resolve("span-2") == [first]
    store.model("span-2")
    assert store.resolve("span-2") == [first]
    assert store.resolve("span-1") != [first]


def test_a_model_without_weights_is_passed_over(store):
    first = store.model("span-1")
    store.model("span-2", weights=False)
    assert store.resolve("span-3") == [first]
