"""Which model a training begins from."""

import json

import pytest
from tfx.types import standard_artifacts

from components.image_example_gen.history import CONTENTS
from components.pusher.push import withdraw
from components.trainer.warm_start import weights_folder
from components.warm_start.strategy import LatestBlessedOfOtherPictures


class Store:
    """Models with their blessings, numbered in the order in which they were made."""

    def __init__(self, folder):
        self._folder, self._last = folder, 0
        self.serving = folder / "serving"
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

    def facts(self, name, test=()):
        """The URI of the facts of a span; test are pictures beside its own."""
        uri = self._folder / name
        if not uri.exists():
            uri.mkdir()
            splits = {"train": [f"{name} train"], "eval": [], "test": [*test, f"{name} test"]}
            (uri / CONTENTS).write_text(json.dumps(splits))
        return str(uri)

    def model(self, *spans, blessed=True, passed=True, weights=True):
        learnt_from = json.dumps([self.facts(span) for span in spans])
        content = f"content {self._last}"
        model = self.add(
            "model", standard_artifacts.Model, learnt_from=learnt_from, content_hash=content
        )
        if weights:
            (self._folder / weights_folder(model.uri)).mkdir(parents=True)
        for key, kind, verdict in (
            ("model_blessing", standard_artifacts.ModelBlessing, blessed),
            ("infra_blessing", standard_artifacts.InfraBlessing, passed),
        ):
            self.add(key, kind, current_model_id=model.id, blessed=int(verdict))
        return model

    def resolve(self, span):
        now = standard_artifacts.Examples()
        now.uri = self.facts(span)
        given = {**self.channels, "facts": [now]}
        strategy = LatestBlessedOfOtherPictures(str(self.serving))
        found = strategy.resolve_artifacts(None, given)
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


def test_what_was_rolled_back_from_is_passed_over(store):
    first, second = store.model("span-1"), store.model("span-2")
    withdraw(store.serving, second.get_string_custom_property("content_hash"))
    assert store.resolve("span-3") == [first]


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


def test_a_model_that_has_learnt_a_test_picture_is_passed_over(store):
    first = store.model("span-1")
    second = store.model("span-2")
    store.facts("span-3", test=["span-2 train"])
    assert store.resolve("span-3") == [first]
    store.facts("span-4", test=["span-1 train"])
    assert store.resolve("span-4") == [second]


def test_what_it_learnt_before_it_began_anew_counts_too(store):
    store.model("span-1", "span-2")
    store.facts("span-3", test=["span-1 train"])
    assert store.resolve("span-3") == []


def test_a_model_of_which_nobody_knows_what_it_has_seen_is_passed_over(store):
    store.model("span-1")
    (store._folder / "span-1" / CONTENTS).unlink()
    assert store.resolve("span-2") == []
