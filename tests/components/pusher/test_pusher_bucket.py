"""What a destination in a bucket promises to those who read it."""

import shutil
import threading
import time
from pathlib import Path

import pytest
import tensorflow as tf
from bucket_on_disk import BucketOnDisk

from components import files
from components.content import content_hash
from components.errors import ServingError
from components.pusher import bucket as buckets
from components.pusher.push import is_withdrawn, newest, push, removable, withdraw
from components.pusher.versions import Withdrawn


def model(folder: Path, text: str) -> tuple[Path, str]:
    """A folder laid out as a SavedModel; returns it and its content hash."""
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(text)
    for part in range(2):
        (folder / "variables" / f"variables.data-0000{part}").write_bytes(text.encode() * 100)
    return folder, content_hash(folder)


@pytest.fixture
def models(tmp_path):
    return [model(tmp_path / "models" / text, text) for text in "abcde"]


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """The bucket that several processes could share."""
    it = BucketOnDisk(tmp_path / "bucket")
    monkeypatch.setattr(files, "_bucket", it.opened)
    return it


@pytest.fixture(params=["memory", "disk"])
def served(request):
    """A destination in a bucket: by TensorFlow's own file system in memory, and in a folder."""
    if request.param == "memory":
        address = f"ram://{request.node.name}/serving"
        yield address
        if tf.io.gfile.isdir(address):
            tf.io.gfile.rmtree(address)
    else:
        request.getfixturevalue("disk")
        yield "gs://bucket/serving"


@pytest.fixture
def steps(disk):
    """Steps that change the bucket, in order."""
    taken: list[tuple[str, str]] = []
    disk.before = lambda what, where: taken.append((what, where.removeprefix("gs://bucket/")))
    return taken


def shown(destination: str) -> list[str]:
    return [name for name in files.names(destination) if not name.startswith(".")]


def whole(version: str, digest: str) -> bool:
    return content_hash(version) == digest and files.exists(f"{version}/saved_model.pb")


def claim(destination: str, number: int, token: str, age: float) -> None:
    said = {"content_hash": "0" * 16, "since": time.time() - age}
    files.write_json(f"{destination}/.claims", f"{number}.{token}", said)


def test_versions_are_numbered_as_in_a_folder_and_the_same_content_is_pushed_once(served, models):
    for expected, (folder, digest) in enumerate([*models[:2], models[0], models[0]], start=1):
        number = min(expected, 3)
        assert push(folder, f"{served}/", digest) == f"{served}/{number}"
        assert newest(served) == (number, f"{served}/{number}", digest)
        assert whole(f"{served}/{number}", digest)
    assert shown(served) == ["1", "2", "3"]


def test_tensorflow_loads_what_was_pushed_to_a_bucket(tmp_path):
    doubling = tf.Module()
    doubling.factor = tf.Variable(2.0)
    doubling.__call__ = tf.function(
        lambda x: x * doubling.factor, input_signature=[tf.TensorSpec([], tf.float32)]
    )
    tf.saved_model.save(doubling, str(tmp_path / "model"))
    path = push(tmp_path / "model", "ram://loads/serving", content_hash(tmp_path / "model"))
    assert tf.saved_model.load(path)(tf.constant(3.0)).numpy() == 6.0


def test_the_model_file_comes_last_and_goes_first(disk, models, steps):
    push(*models[0][:1], "gs://bucket/serving", models[0][1])
    written = [where for _, where in steps if where.startswith("serving/1/")]
    assert written[-2:] == ["serving/1/.pushed.json", "serving/1/saved_model.pb"]
    assert len(written) == 4
    # A numbered folder is what TensorFlow Serving goes by: it is there once all is uploaded.
    begun = steps.index(("write", written[0]))
    assert sum("/.pushing-1." in where for what, where in steps[:begun] if what == "write") == 4
    assert not [name for name in files.names("gs://bucket/serving") if "pushing" in name]
    record = files.read_json("gs://bucket/serving/1/.pushed.json")
    record["files"] = dict(sorted(record["files"].items(), reverse=True))  # in whatever order
    files.write_json("gs://bucket/serving/1", ".pushed.json", record)
    del steps[:]
    push(models[1][0], "gs://bucket/serving", models[1][1], keep=1)
    gone = [where for what, where in steps if what == "delete" and "serving/1/" in where]
    assert gone[0] == "serving/1/saved_model.pb" and gone[-1] == "serving/1/.pushed.json"
    assert shown("gs://bucket/serving") == ["2"]


def test_a_number_once_given_is_never_given_again(served, models):
    push(*models[0][:1], served, models[0][1])
    push(models[1][0], served, models[1][1])
    files.remove(f"{served}/2")
    assert newest(served).version == 1
    assert push(models[1][0], served, models[1][1]) == f"{served}/3"


def test_numbers_go_on_from_what_other_hands_put_there_and_it_is_never_removed(served, models):
    for name in ("saved_model.pb", "variables/variables.data-00000"):
        files.upload(models[0][0] / name, f"{served}/1700000000/{name}")
    found = newest(served)
    assert (found.version, found.content_hash) == (1700000000, content_hash(f"{served}/1700000000"))
    assert push(models[1][0], served, models[1][1], keep=1) == f"{served}/1700000001"
    assert shown(served) == ["1700000000", "1700000001"]


@pytest.mark.parametrize("lost", ["variables/variables.data-00001", "saved_model.pb"])
def test_a_version_that_lost_a_file_is_not_whole_and_is_pushed_anew(served, models, lost):
    push(models[0][0], served, models[0][1])
    push(models[1][0], served, models[1][1])
    files.remove(f"{served}/2/{lost}")
    assert newest(served).version == 1
    assert push(models[1][0], served, models[1][1]) == f"{served}/3"
    assert whole(f"{served}/3", models[1][1])


def test_the_newest_and_those_with_an_alias_are_kept(served, models):
    aliased = [models[1][1]]
    for folder, digest in models:
        push(folder, served, digest, keep=2, aliased=aliased)
    assert shown(served) == ["2", "4", "5"] and whole(f"{served}/2", models[1][1])
    assert removable(served, 3) and not removable(served, 4)
    push(folder, served, digest, keep=1, aliased=None)
    assert shown(served) == ["2", "4", "5"]
    push(folder, served, digest, keep=1)
    assert shown(served) == ["5"]


def test_what_was_withdrawn_stays_so_until_it_is_pushed(served, models):
    (folder, digest), _, *_ = models
    assert not is_withdrawn(served, digest)
    push(folder, served, digest)
    withdraw(served, digest)
    withdraw(served, digest)
    assert is_withdrawn(served, digest) and not is_withdrawn(served, models[1][1])
    assert push(folder, served, digest) == f"{served}/1"
    assert not is_withdrawn(served, digest)


def test_a_withdrawn_model_that_a_run_brings_stays_away_and_withdrawn(served, models):
    (folder, digest), *_ = models
    push(folder, served, digest)
    withdraw(served, digest)  # and the rollback was killed before its own push
    with pytest.raises(Withdrawn, match="was rolled back from; `graft registry promote`"):
        push(folder, served, digest, unless_withdrawn=True)
    assert shown(served) == ["1"] and is_withdrawn(served, digest)


def test_a_model_that_is_rolled_back_from_during_its_upload_does_not_appear(disk, models):
    (folder, digest), *_ = models
    served = "gs://bucket/serving"

    def once(*_):
        disk.before = lambda *_: None
        withdraw(served, digest)

    disk.before = once
    with pytest.raises(Withdrawn):
        push(folder, served, digest, unless_withdrawn=True)
    assert shown(served) == [] and is_withdrawn(served, digest)
    assert not [name for name in files.names(served) if name.startswith(".pushing-")]


def test_a_model_that_changed_since_it_was_evaluated_is_refused(served, models):
    (models[0][0] / "saved_model.pb").write_text("changed")
    with pytest.raises(ServingError, match="was changed since.* delete the Trainer's folder"):
        push(models[0][0], served, models[0][1])
    assert newest(served) is None


def test_a_bucket_that_refuses_is_one_clear_message(disk, models):
    def refuse(*_):
        raise OSError("the bucket does not exist")

    disk.before = refuse
    with pytest.raises(ServingError, match=r"gs://b/serving: .* pushed \(the bucket"):
        push(models[0][0], "gs://b/serving", models[0][1])


def test_a_bucket_that_cannot_be_read_is_one_clear_message(monkeypatch):
    def refuse():
        raise OSError("permission denied")

    monkeypatch.setattr(files, "_bucket", refuse)
    for ask in (newest, lambda place: removable(place, 1), lambda place: is_withdrawn(place, "0")):
        with pytest.raises(ServingError, match=r"gs://b/serving: .* cannot be read \(permission"):
            ask("gs://b/serving")


class Killed(BaseException):
    """As sudden as a kill: nothing in between catches it."""


def test_a_push_killed_before_each_of_its_steps_goes_on(disk, models, tmp_path):
    served, (first, second) = "gs://bucket/serving", models[:2]
    for moment in range(100):
        shutil.rmtree(tmp_path / "bucket" / "objects", ignore_errors=True)
        push(first[0], served, first[1])
        left = [moment]

        def die(*_, left=left):
            if not left[0]:
                raise Killed
            left[0] -= 1

        disk.before = die
        try:
            push(second[0], served, second[1], keep=1)
            break
        except Killed:
            disk.before = lambda *_: None
        found = newest(served)
        assert whole(found.path, first[1] if found.version == 1 else second[1]), moment
        path = push(second[0], served, second[1], keep=1)
        assert whole(path, second[1]) and newest(served).path == path
        assert "1" not in shown(served), moment
    assert moment > 12, "the push was hardly ever killed"


def test_what_a_killed_pusher_left_is_swept_once_it_is_clearly_dead(served, models):
    push(models[0][0], served, models[0][1])
    for number, token, age in ((2, "dead", 2 * buckets.DEAD_SECONDS), (3, "at-work", 60.0)):
        claim(served, number, token, age)
        for place in (f"{number}/variables/half", f".pushing-{number}.{token}/saved_model.pb"):
            files.upload(models[1][0] / "saved_model.pb", f"{served}/{place}")
    assert newest(served).version == 1
    assert push(models[1][0], served, models[1][1]) == f"{served}/4"
    assert shown(served) == ["1", "3", "4"]
    staged = [name for name in files.names(served) if name.startswith(".pushing-")]
    assert staged == [".pushing-3.at-work"]
    assert [name.partition(".")[0] for name in files.names(f"{served}/.claims")] == ["3", "4"]


def test_a_removal_that_was_killed_is_ended(served, models):
    push(models[0][0], served, models[0][1])
    push(models[1][0], served, models[1][1])
    files.remove(f"{served}/1/saved_model.pb")
    push(models[1][0], served, models[1][1])
    assert shown(served) == ["2"]


def test_a_pusher_that_is_taken_for_dead_shows_nothing_half(disk, models, monkeypatch):
    served = "gs://bucket/serving"

    def sweep(_, where):
        if where.endswith("/1/.pushed.json"):  # all but the two last files are moved
            disk.before = lambda *_: None
            with monkeypatch.context() as patch:
                patch.setattr(buckets, "DEAD_SECONDS", -1.0)
                push(models[1][0], served, models[1][1])

    disk.before = sweep
    with pytest.raises(ServingError, match="the model cannot be pushed"):
        push(models[0][0], served, models[0][1])
    assert newest(served).version == 2
    assert not files.exists(f"{served}/1/saved_model.pb")


def test_of_two_that_claim_one_number_neither_writes_into_the_others(disk, models, monkeypatch):
    monkeypatch.setattr(buckets, "PAUSE_SECONDS", 0.0)

    def other(_, where):
        if ".claims/1." in where:  # between this pusher's look and its claim
            disk.before = lambda *_: None
            claim("gs://bucket/serving", 1, "other", 0.0)

    disk.before = other
    assert push(models[0][0], "gs://bucket/serving", models[0][1]) == "gs://bucket/serving/2"
    assert shown("gs://bucket/serving") == ["2"]


def test_pushers_at_the_same_time_get_numbers_of_their_own(disk, models, monkeypatch):
    monkeypatch.setattr(buckets, "PAUSE_SECONDS", 0.02)
    paths: dict[str, str] = {}
    together = threading.Barrier(len(models))

    def work(folder, digest):
        together.wait()
        paths[digest] = push(folder, "gs://bucket/serving", digest)

    threads = [threading.Thread(target=work, args=it) for it in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths.values())) == len(models)
    assert all(whole(path, digest) for digest, path in paths.items())


def test_the_record_says_which_files_make_a_version_whole(served, models):
    path = push(models[0][0], served, models[0][1])
    record = files.read_json(f"{path}/.pushed.json")
    assert record == {
        "content_hash": models[0][1],
        "files": {
            "saved_model.pb": 1,
            "variables/variables.data-00000": 100,
            "variables/variables.data-00001": 100,
        },
    }
