"""Promotion, the way back and deletion: what is served and what the aliases say afterwards."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from components.content import content_hash
from components.errors import RegistryError
from components.pusher.push import is_withdrawn, newest, push
from components.registry_pusher import promotion
from components.registry_pusher.promotion import delete, previous, promote, rollback
from components.registry_pusher.registry import restore, write_registration


class Shop:
    """A registry and a served folder, and models that a pipeline would bring."""

    def __init__(self, registry, serving, make_entry):
        self.registry, self.serving, self.make_entry = registry, serving, make_entry
        self.entries = {}

    def bring(self, text, champion=False):
        """Pushes and registers a model; returns its version."""
        entry = self.make_entry(text)
        path = push(entry.model_path, self.serving, entry.content_hash)
        self.entries[text] = dataclasses.replace(entry, pushed_path=path)
        return self.registry.register(self.entries[text], champion=champion).version

    def version(self, number):
        return next(v for v in self.registry.versions("ripeness") if v.version == number)

    def promote(self, number, keep=5):
        return promote(self.registry, self.version(number), self.serving, keep)

    def roll_back(self):
        return rollback(
            self.registry, previous(self.registry, "ripeness", self.serving), self.serving
        )

    def state(self):
        """The served version, the champions, the challenger, and the withdrawn versions."""
        versions = self.registry.versions("ripeness")
        served = newest(self.serving)
        assert content_hash(served.path) == served.content_hash
        return (
            next(v.version for v in versions if v.content_hash == served.content_hash),
            self.registry.champions("ripeness"),
            *(v.version for v in versions if "challenger" in v.aliases),
            {v.version for v in versions if is_withdrawn(self.serving, v.content_hash)},
        )


@pytest.fixture
def shop(registry, tmp_path, make_entry):
    return Shop(registry, tmp_path / "serving", make_entry)


def test_the_challenger_that_is_served_becomes_the_champion_and_is_not_pushed_again(shop):
    shop.bring("a")
    assert shop.promote("1") == str(shop.serving / "1")
    assert shop.state() == ("1", ["1"], "1", set())
    shop.bring("b")
    assert shop.promote("2").endswith("/2")
    assert shop.state() == ("2", ["1", "2"], "2", set())
    assert shop.promote("2").endswith("/2")  # once more
    assert shop.state() == ("2", ["1", "2"], "2", set())


def test_an_earlier_version_is_pushed_again_under_a_higher_number(shop):
    for text in "abc":
        shop.bring(text)
    shop.promote("3")
    assert shop.promote("1").endswith("/4")
    assert shop.state() == ("1", ["3", "1"], "1", {"3"})
    assert shop.promote("3").endswith("/5")
    assert shop.state() == ("3", ["1", "3"], "3", {"1"})


def test_a_bad_challenger_gives_way_to_the_champion(shop):
    shop.bring("good", champion=True)
    shop.bring("bad")
    assert shop.roll_back().endswith("/3")
    assert shop.state() == ("1", ["1"], "1", {"2"})


def test_a_bad_champion_gives_way_to_the_one_before_it(shop):
    for text in "abc":
        shop.bring(text, champion=True)
    assert shop.roll_back().endswith("/4")
    assert shop.state() == ("2", ["1", "2"], "2", {"3"})
    assert shop.roll_back().endswith("/5")
    assert shop.state() == ("1", ["1"], "1", {"2", "3"})
    with pytest.raises(RegistryError, match="version 1 is the first champion.*registry promote"):
        shop.roll_back()


def test_without_a_champion_there_is_no_way_back(shop):
    shop.bring("a")
    with pytest.raises(RegistryError, match="has no champion .*registry promote VERSION"):
        shop.roll_back()


def test_a_served_folder_that_was_lost_gets_the_champion_back(shop):
    shop.bring("a", champion=True)
    shop.bring("b")
    shutil.rmtree(shop.serving)
    shop.roll_back()
    assert shop.state()[:2] == ("1", ["1"])


def test_what_was_rolled_back_from_does_not_move_aliases_when_its_pipeline_runs_again(
    shop, tmp_path, store
):
    shop.bring("good", champion=True)
    shop.bring("bad")
    told = tmp_path / "registration.json"
    entry = shop.entries["bad"]
    write_registration(told, shop.registry, shop.registry.register(entry), entry)
    shop.roll_back()
    before = shop.state()
    restore(told, {"kind": "mlflow", "uri": f"sqlite:///{store}"})
    assert shop.state() == before


def test_a_cached_run_that_pushes_anew_makes_the_champion_where_a_push_does(shop, tmp_path, store):
    shop.bring("a", champion=True)
    told = tmp_path / "registration.json"
    entry = shop.entries["a"]
    write_registration(told, shop.registry, shop.registry.register(entry), entry)
    shop.bring("b", champion=True)
    spec = {"kind": "mlflow", "uri": f"sqlite:///{store}"}
    restore(told, spec, champion=True)  # it is not served, so nothing moves
    assert shop.state() == ("2", ["1", "2"], "2", set())
    push(entry.model_path, shop.serving, entry.content_hash)
    restore(told, spec, champion=True)
    assert shop.state() == ("1", ["2", "1"], "1", set())
    store.unlink()  # the registry is lost
    restore(told, spec, champion=True)
    assert shop.state() == ("1", ["1"], "1", set())


def test_a_version_whose_training_was_cleaned_away_comes_from_the_registrys_own_copy(shop):
    shop.bring("a", champion=True)
    shop.bring("b", champion=True)
    shutil.rmtree(shop.entries["a"].model_path)
    shutil.rmtree(shop.serving / "1")
    shop.roll_back()
    assert shop.state() == ("1", ["1"], "1", {"2"})


def test_a_version_whose_files_are_all_lost_changes_nothing(shop):
    shop.bring("a", champion=True)
    shop.bring("b", champion=True)
    copy = Path(shop.version("1").uri.removeprefix("file://"))
    for folder in (shop.entries["a"].model_path, shop.serving / "1", copy / "saved_model"):
        shutil.rmtree(folder)
    before = shop.state()
    with pytest.raises(RegistryError, match="files of version 1 of ripeness are lost or changed"):
        shop.roll_back()
    assert shop.state() == before


def test_a_version_by_other_hands_cannot_be_served(shop, client):
    shop.bring("a")
    client.create_model_version("ripeness", "somewhere")
    with pytest.raises(RegistryError, match="version 2 was not registered from here"):
        shop.promote("2")


def test_what_aliases_point_at_stays_pushed_whatever_its_age(shop):
    shop.bring("a", champion=True)
    for text in "bcd":
        shop.bring(text)
    shop.promote("3", keep=1)
    kept = {p.name for p in shop.serving.iterdir() if p.name.isdigit()}
    assert {"1", "5"} <= kept and "2" not in kept  # 1 was the champion until then


def test_a_version_with_an_alias_is_not_deleted_and_others_are(shop):
    shop.bring("a", champion=True)
    shop.bring("b")
    shop.bring("c")
    with pytest.raises(RegistryError, match="version 1 is the champion, .* not deleted"):
        delete(shop.registry, shop.version("1"))
    stale = dataclasses.replace(shop.version("3"), aliases=[])  # read before the alias moved
    with pytest.raises(RegistryError, match="version 3 is the challenger"):
        delete(shop.registry, stale)
    delete(shop.registry, shop.version("2"))
    assert [v.version for v in shop.registry.versions("ripeness")] == ["3", "1"]


def test_a_champion_that_was_deleted_is_no_way_back(shop):
    for text in "abc":
        shop.bring(text, champion=True)
    delete(shop.registry, shop.version("2"))
    shop.roll_back()
    assert shop.state()[0] == "1" and shop.registry.champions("ripeness") == ["1"]


def broken_promotion(shop, number, monkeypatch, step, when="before"):
    """A promotion that dies at a step."""
    owner = promotion if step in ("withdraw", "push") else type(shop.registry)
    real = getattr(owner, step)

    def dying(*args, **kwargs):
        if when == "after":
            real(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, dying)
        with pytest.raises(KeyboardInterrupt):
            shop.promote(number)


@pytest.mark.parametrize("champions", [["1"], ["1", "2"]])
@pytest.mark.parametrize("step", ["push", "set_champions", "register"])
def test_a_promotion_that_was_killed_is_taken_back_by_a_rollback(
    shop, monkeypatch, step, champions
):
    for text in "abc":
        shop.bring(text)
    for number in champions:
        shop.promote(number)
    broken_promotion(shop, "3", monkeypatch, step)
    shop.roll_back()
    served, now, challenger, withdrawn = shop.state()
    assert (served, now, challenger) == (champions[-1], champions, champions[-1])
    assert served not in withdrawn


def test_a_promotion_of_the_champion_before_that_was_killed_is_taken_back_too(shop, monkeypatch):
    for text in "ab":
        shop.bring(text, champion=True)
    broken_promotion(shop, "1", monkeypatch, "set_champions")
    shop.roll_back()
    assert shop.state() == ("2", ["1", "2"], "2", {"1"})


def test_of_two_promotions_at_once_one_says_so_and_promoting_again_helps(shop, monkeypatch):
    for text in "ab":
        shop.bring(text)
    owner = type(shop.registry)
    real = owner.set_champions

    def slow(*args):
        monkeypatch.setattr(owner, "set_champions", real)
        shop.promote("2")  # the other operator
        real(*args)

    monkeypatch.setattr(owner, "set_champions", slow)
    with pytest.raises(RegistryError, match="something else was: promote the one that you want"):
        shop.promote("1")
    shop.promote("2")
    assert shop.state() == ("2", ["1", "2"], "2", {"1"})


def test_a_rollback_after_somebody_elses_changes_nothing(shop):
    for text in "abc":
        shop.bring(text, champion=True)
    aim = previous(shop.registry, "ripeness", shop.serving)
    shop.promote("1")
    shop.registry.set_champions("ripeness", ["1"])
    before = shop.state()
    with pytest.raises(RegistryError, match="version 2 is no champion any more"):
        rollback(shop.registry, aim, shop.serving)
    assert shop.state() == before


COMMANDS = {
    "a bad challenger": (lambda shop: shop.bring("c"), lambda shop: shop.roll_back()),
    "a bad champion": (lambda shop: shop.bring("c", True), lambda shop: shop.roll_back()),
    "a promotion": (lambda shop: shop.bring("c"), lambda shop: shop.promote("1")),
}
STEPS = ["withdraw", "push", "set_champions", "register"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_was_killed_at_any_step_is_finished_by_the_same_command(
    shop, tmp_path, monkeypatch, command, step, when
):
    prepare, change = COMMANDS[command]
    shop.bring("a", True)
    shop.bring("b", True)
    prepare(shop)
    owner = promotion if step in ("withdraw", "push") else type(shop.registry)
    real = getattr(owner, step)

    def dying(*args, **kwargs):
        if when == "after":
            real(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, dying)
        with pytest.raises(KeyboardInterrupt):
            change(shop)
    done = command != "a promotion" and (step, when) == ("register", "after")
    if not done:  # of a rollback that was through nobody could know that it was killed
        change(shop)
    assert (
        shop.state()
        == {
            "a bad challenger": ("2", ["1", "2"], "2", {"3"}),
            "a bad champion": ("2", ["1", "2"], "2", {"3"}),
            "a promotion": ("1", ["2", "1"], "1", {"3"}),
        }[command]
    )
