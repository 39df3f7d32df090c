"""What a served folder promises to those who read it."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import filelock
import pytest

from components.content import content_hash
from components.errors import ServingError
from components.pusher import folder as folders
from components.pusher.push import is_withdrawn, newest, push, removable, withdraw
from components.pusher.versions import Withdrawn

ROOT = Path(__file__).parents[3]


def model(folder: Path, text: str = "first", size: int = 1000) -> tuple[Path, str]:
    """A folder laid out as a SavedModel; returns it and its content hash."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "variables").mkdir(parents=True)
    (folder / "assets").mkdir()
    (folder / "saved_model.pb").write_text(text)
    (folder / "fingerprint.pb").write_text(str(time.time_ns()))
    for part in range(4):
        (folder / "variables" / f"variables.data-0000{part}").write_bytes(text.encode() * size)
    return folder, content_hash(folder)


def shown(destination: Path) -> list[str]:
    """What a reader that passes over hidden names sees."""
    return sorted(p.name for p in destination.iterdir() if not p.name.startswith("."))


def whole(version: Path, *hashes: str) -> bool:
    return content_hash(version) in hashes and (version / "assets").is_dir()


@pytest.fixture
def served(tmp_path):
    return tmp_path / "serving"


@pytest.fixture
def first(tmp_path):
    return model(tmp_path / "models" / "first", "first")


@pytest.fixture
def second(tmp_path):
    return model(tmp_path / "models" / "second", "second")


@pytest.fixture
def third(tmp_path):
    return model(tmp_path / "models" / "third", "third")


def test_the_first_push_is_version_1(served, first):
    path = push(first[0], served, first[1])
    assert path == str(served / "1")
    assert shown(served) == ["1"] and whole(served / "1", first[1])
    assert (served / "1" / "fingerprint.pb").is_file()
    assert newest(served) == (1, path, first[1])


def test_the_same_content_is_not_pushed_again(served, first):
    push(first[0], served, first[1])
    before = (served / "1").stat()
    assert push(first[0], served, first[1]) == str(served / "1")
    assert shown(served) == ["1"]
    assert (served / "1").stat().st_ino == before.st_ino


def test_other_content_is_the_next_version_also_when_it_was_there_before(served, first, second):
    for expected, (folder, digest) in enumerate([first, second, first], start=1):
        assert push(folder, served, digest) == str(served / str(expected))
    assert shown(served) == ["1", "2", "3"]
    assert newest(served).content_hash == first[1]


@pytest.mark.parametrize("what", ["version", "file", "everything"])
def test_what_somebody_deleted_comes_back_under_its_own_number(served, first, second, what):
    push(first[0], served, first[1])
    path = push(second[0], served, second[1])
    gone = {
        "version": served / "2",
        "file": served / "2" / "variables",
        "everything": served,
    }[what]
    shutil.rmtree(gone)
    assert newest(served) is None or newest(served).version == 1
    assert push(second[0], served, second[1]) == path
    assert whole(served / "2", second[1])
    assert newest(served) == (2, path, second[1])


@pytest.mark.parametrize("what", ["version", "everything"])
def test_a_number_once_given_is_never_given_to_other_content(served, first, second, third, what):
    push(first[0], served, first[1])
    push(second[0], served, second[1])
    shutil.rmtree(served / "2" if what == "version" else served)
    assert push(third[0], served, third[1]) == str(served / "3")


def test_the_last_number_moves_with_the_folder_too(served, first, second, third, tmp_path):
    push(first[0], served, first[1])
    push(second[0], served, second[1])
    moved = tmp_path / "elsewhere" / "models"
    moved.parent.mkdir()
    served.rename(moved)
    shutil.rmtree(moved / "2")
    assert push(third[0], moved, third[1]) == str(moved / "3")


def test_numbers_go_on_from_what_other_hands_put_there(served, first, second):
    shutil.copytree(second[0], served / "1700000000")
    assert newest(served) == (1700000000, str(served / "1700000000"), second[1])
    assert push(second[0], served, second[1]) == str(served / "1700000000")
    assert push(first[0], served, first[1]) == str(served / "1700000001")


def test_a_folder_that_holds_no_model_is_no_version_but_its_number_is_taken(served, first):
    (served / "7").mkdir(parents=True)
    (served / "notes").mkdir()
    assert newest(served) is None
    assert push(first[0], served, first[1]) == str(served / "8")
    assert shown(served) == ["7", "8", "notes"]


def test_the_newest_versions_are_kept_and_what_is_not_ours_is_never_removed(served, tmp_path):
    (served / "0").mkdir(parents=True)
    for text in "abcde":
        folder, digest = model(tmp_path / text, text)
        push(folder, served, digest, keep=2)
    assert shown(served) == ["0", "4", "5"]
    push(folder, served, digest, keep=1)
    assert shown(served) == ["0", "5"]


def test_a_version_that_an_alias_points_at_is_kept_beyond_the_newest(served, tmp_path):
    digests = []
    for text in "abcde":
        folder, digest = model(tmp_path / text, text)
        digests.append(digest)
        push(folder, served, digest, keep=2, aliased=digests[1:2])
    assert shown(served) == ["2", "4", "5"]
    assert whole(served / "2", digests[1])
    assert removable(served, 3) and not removable(served, 4)
    push(folder, served, digest, keep=2)
    assert shown(served) == ["4", "5"]


def test_where_nobody_knows_the_aliases_nothing_is_removed(served, first, second):
    push(first[0], served, first[1])
    push(second[0], served, second[1], keep=1, aliased=None)
    assert shown(served) == ["1", "2"]
    push(second[0], served, second[1], keep=1)
    assert shown(served) == ["2"]


def test_what_was_withdrawn_stays_so_until_it_is_pushed(served, first, second):
    assert not is_withdrawn(served, first[1])
    push(first[0], served, first[1])
    push(second[0], served, second[1])
    withdraw(served, second[1])
    withdraw(served, second[1])
    assert push(first[0], served, first[1]) == str(served / "3")
    assert is_withdrawn(served, second[1]) and not is_withdrawn(served, first[1])
    assert push(second[0], served, second[1]) == str(served / "4")
    assert not is_withdrawn(served, second[1])


def test_a_withdrawn_model_that_a_run_brings_stays_away_and_withdrawn(served, first):
    push(first[0], served, first[1])
    withdraw(served, first[1])  # and the rollback was killed before its own push
    with pytest.raises(Withdrawn, match="was rolled back from; `graft registry promote`"):
        push(first[0], served, first[1], unless_withdrawn=True)
    assert shown(served) == ["1"] and is_withdrawn(served, first[1])


def test_the_newest_version_is_no_longer_withdrawn_once_it_is_pushed_again(served, first):
    push(first[0], served, first[1])
    withdraw(served, first[1])
    assert push(first[0], served, first[1]) == str(served / "1")
    assert not is_withdrawn(served, first[1])


def test_a_withdrawal_outlives_the_folder_and_moves_with_it(served, first, tmp_path):
    push(first[0], served, first[1])
    withdraw(served, first[1])
    moved = tmp_path / "elsewhere" / "models"
    shutil.copytree(served, moved)
    shutil.rmtree(served)
    assert is_withdrawn(served, first[1]) and is_withdrawn(moved, first[1])


def test_a_withdrawal_that_cannot_be_noted_is_one_clear_message(first, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ServingError, match=r"the withdrawal cannot be noted.*push\.destination"):
        withdraw(tmp_path / "file", first[1])


def test_leftovers_of_killed_pushes_are_swept(served, first):
    for name in (".pushing-1", ".pushing-9", ".removing-3"):
        (served / name / "variables").mkdir(parents=True)
    push(first[0], served, first[1])
    push(first[0], served, first[1])
    assert not [p for p in served.iterdir() if p.name.startswith((".pushing", ".removing"))]


def test_a_model_that_changed_since_it_was_evaluated_is_refused(served, first):
    (first[0] / "saved_model.pb").write_text("changed")
    with pytest.raises(ServingError, match="was changed since.* delete the Trainer's folder") as e:
        push(first[0], served, first[1])
    assert f" {first[0].parent} and run again" in str(e.value)
    assert shown(served) == [] and newest(served) is None


def test_a_pushed_version_can_itself_be_pushed_elsewhere(served, first, tmp_path):
    path = push(first[0], served, first[1])
    assert push(path, tmp_path / "other", first[1]) == str(tmp_path / "other" / "1")
    assert newest(tmp_path / "other").content_hash == first[1]


def test_no_model_no_folder_and_no_room_are_one_clear_message(served, first, tmp_path, monkeypatch):
    with pytest.raises(ServingError, match="no model to push; delete the Trainer's folder"):
        push(tmp_path / "nothing", served, first[1])
    (tmp_path / "file").write_text("")
    with pytest.raises(ServingError, match=r"file: the model cannot be pushed.*push\.destination"):
        push(first[0], tmp_path / "file", first[1])

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(ServingError, match="No space left"):
        push(first[0], served, first[1])
    assert not list(served.glob(".pushing-*"))


def test_a_push_that_never_ends_is_not_waited_for_without_end(served, first, monkeypatch):
    monkeypatch.setattr(folders, "LOCK_SECONDS", 0.2)
    served.mkdir()
    with filelock.FileLock(served / ".lock"):
        with pytest.raises(ServingError, match="another push has held it"):
            push(first[0], served, first[1])


def test_an_unreadable_state_does_not_stop_a_push(served, first, second):
    push(first[0], served, first[1])
    for state in (served / ".versions.json", served.parent / ".serving.versions.json"):
        state.write_text("{half")
    assert push(second[0], served, second[1]) == str(served / "2")


def run(code: str, *arguments: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


PUSH = """
import sys
from components.pusher.push import push
print(push(sys.argv[1], sys.argv[2], sys.argv[3], 2))
"""

# Counts what the interpreter is about to do to the file system, and dies before the n-th.
DIE = """
import os, signal, sys
from components.pusher.push import push
left, fatal = int(sys.argv[4]), ("open", "os.", "shutil.")
def hook(event, arguments):
    global left
    if event.startswith(fatal):
        left -= 1
        if left == -1:  # os.kill is itself such an event
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
push(sys.argv[1], sys.argv[2], sys.argv[3], 1)
os._exit(0)
"""


class Reader:
    """Looks at the served folder all the time, and keeps what it saw that was not whole."""

    def __init__(self, served: Path, *hashes: str):
        self.broken: list[str] = []
        self._args, self._stop = (served, hashes), threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _look(self):
        served, hashes = self._args
        while not self._stop.is_set():
            for name in shown(served):
                try:
                    is_whole = whole(served / name, *hashes)
                    # The oldest may be removed, at once, while it is being looked at.
                    if not is_whole and (served / name).exists():
                        self.broken.append(name)
                except FileNotFoundError:
                    pass


@pytest.mark.parametrize("attempt", range(10))
def test_a_push_killed_at_any_moment_leaves_old_or_new_whole_and_goes_on(
    served, first, second, tmp_path, attempt
):
    push(first[0], served, first[1])
    moment = random.Random(attempt).randrange(2, 75)
    process = run(DIE, second[0], served, second[1], moment)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGKILL), errors
    assert_recovers(served, first, second)


@pytest.mark.slow
def test_a_push_killed_before_each_of_its_steps_goes_on(served, first, second):
    push(first[0], served, first[1])
    start = served.parent / "start"
    shutil.copytree(served, start)
    for moment in range(1000):
        process = run(DIE, second[0], served, second[1], moment)
        _, errors = process.communicate(timeout=60)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, errors
        assert_recovers(served, first, second)
        shutil.rmtree(served)
        (served.parent / ".serving.versions.json").unlink()
        shutil.copytree(start, served)
    assert moment > 40, "the push was hardly ever killed"


def assert_recovers(served, first, second):
    """Old or new, each whole, is shown; one more push ends as if nothing had happened."""
    assert shown(served) in (["1"], ["1", "2"], ["2"])
    assert newest(served).content_hash in (first[1], second[1])
    assert all(whole(served / name, first[1], second[1]) for name in shown(served))
    assert push(second[0], served, second[1], keep=1) == str(served / "2")
    assert shown(served) == ["2"] and whole(served / "2", second[1])
    assert not [p.name for p in served.iterdir() if "ing-" in p.name or "partial" in p.name]


def test_readers_see_whole_versions_only_while_pushes_are_killed(served, tmp_path):
    models = [model(tmp_path / "models" / text, text, size=400_000) for text in "abcdef"]
    push(models[0][0], served, models[0][1])
    moments = random.Random(0)
    with Reader(served, *(digest for _, digest in models)) as reader:
        for folder, digest in models[1:]:
            process = run(PUSH, folder, served, digest)
            while process.poll() is None and not list(served.glob(".pushing-*")):
                time.sleep(0.001)
            time.sleep(moments.uniform(0, 0.03))
            process.kill()
            process.communicate()
            push(folder, served, digest, keep=2)
    assert reader.broken == []
    assert newest(served).content_hash == models[-1][1]
    assert shown(served) == ["5", "6"]


def test_pushers_at_the_same_time_push_the_same_content_once(served, first):
    processes = [run(PUSH, first[0], served, first[1]) for _ in range(4)]
    answers = {p.communicate(timeout=60)[0].strip() for p in processes}
    assert answers == {str(served / "1")} and shown(served) == ["1"]


def test_pushing_imports_neither_tensorflow_nor_tfx():
    code = "import sys, components.pusher.push; print({'tensorflow', 'tfx'} & set(sys.modules))"
    assert run(code).communicate(timeout=60)[0].strip() == "set()"


def test_the_record_says_which_files_make_a_version_whole(served, first):
    record = json.loads(Path(push(first[0], served, first[1]), ".pushed.json").read_text())
    assert record["content_hash"] == first[1]
    assert record["files"]["variables/variables.data-00000"] == len("first") * 1000
    assert ".pushed.json" not in record["files"]
    assert os.stat(served / "1").st_mode & 0o755 == 0o755
