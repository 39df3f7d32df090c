"""Kills Pusher and RegistryPusher at random moments, and looks at what they leave.

    python pushers_killed.py FOLDER (folder|bucket) KILLS SEED

Everything slow is imported once; each attempt is a fork of this process that runs the executors of
both nodes, one after the other, and is killed. Every few kills one attempt is left to end, and all
must then be as if none had been killed. Meanwhile another process reads what is served. Prints what
it did, as JSON; ends with an error where anything is not as it must be.
"""

import collections
import functools
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bucket_on_disk import BucketOnDisk
from tfx.types import standard_artifacts

from components import files
from components.artifacts import Preprocessing, Registration
from components.content import content_hash
from components.pusher import executor as pusher
from components.pusher.push import newest
from components.pusher.versions import Version
from components.registry_pusher import executor as registry_pusher
from components.registry_pusher import mlflow_client
from components.registry_pusher.registry import get_registry

KEEP = 2
ROUND = 40
"""Kills before all begins again with an empty destination and no store."""


def main(home: Path, place: str, kills: int, seed: int) -> None:
    """Kills so often, in rounds, and prints what was done."""
    dice = random.Random(seed)
    template = home / "template"
    assert forked(lambda: save_model(template)) == 0
    warm(Task(home / "warm", str(home / "warm" / "serving"), template))
    done: collections.Counter[str] = collections.Counter()
    started = time.monotonic()
    seconds = measure(home / "trial", template)
    while done["kills"] < kills:
        folder = home / f"round-{done['rounds']}"
        destination, lies = str(folder / "serving"), Path
        if place == "bucket":
            bucket = BucketOnDisk(folder / "bucket")
            files._bucket = bucket.opened
            destination, lies = "gs://models/serving", bucket.place
        stop, seen = folder / "stop", folder / "seen.json"
        folder.mkdir(exist_ok=True)
        reader = fork(lambda d=destination, at=lies, s=stop, w=seen: read(d, at, s, w))
        target = min(kills, done["kills"] + ROUND)
        try:
            round_of_kills(Task(folder, destination, template), seconds, dice, done, target)
        finally:
            stop.touch()
            _, status = os.waitpid(reader, 0)
        assert status == 0, "the reader found what was not whole"
        done.update(json.loads(seen.read_text()), rounds=1)
        shutil.rmtree(folder)
    print(
        json.dumps(
            {
                **done,
                "seed": seed,
                "attempts": seconds,
                "seconds": round(time.monotonic() - started),
            }
        )
    )


class Task:
    """What a round works on: a destination, a registry, and models that differ in one file."""

    def __init__(self, folder: Path, destination: str, template: Path):
        self.folder, self.destination, self._template = folder, destination, template
        self.passed = folder / "passed"  # there once an attempt's Pusher has ended
        self.spec = {"kind": "mlflow", "uri": f"sqlite:///{folder}/mlflow.db", "model_name": "it"}

    def model(self, number: int) -> Path:
        """The Trainer's artifact with the model of that number, made if it is not there."""
        artifact = self.folder / "models" / str(number)
        if not artifact.exists():
            partial = self.folder / "models" / "partial"
            shutil.copytree(self._template, partial / "Format-Serving")
            (partial / "Format-Serving" / "assets" / "number.txt").write_text(str(number))
            partial.rename(artifact)
        return artifact

    def attempt(self, number: int, spec: dict[str, Any] | None = None) -> None:
        """Runs both executors on a model."""
        model = standard_artifacts.Model()
        model.uri = str(self.model(number))
        content = content_hash(self.model(number) / "Format-Serving")
        model.set_string_custom_property("content_hash", content)
        model.set_string_custom_property("module_handle", "./modules/it")
        blessing, pushed = standard_artifacts.ModelBlessing(), standard_artifacts.PushedModel()
        blessing.set_int_custom_property("blessed", 1)
        registration = Registration()
        registration.uri = str(self.folder / "registration")
        files.empty(registration.uri)
        others = {
            "evaluation": standard_artifacts.ModelEvaluation(),
            "examples": standard_artifacts.Examples(),
            "preprocessing": Preprocessing(),
        }
        for key, artifact in {**others, "blessing": blessing, "pushed": pushed}.items():
            artifact.uri = str(self.folder / key)
        said = {"registry": json.dumps(spec or self.spec), "destination": self.destination}
        pusher.Executor().Do(
            {"model": [model], "blessing": [blessing]},
            {"pushed_model": [pushed]},
            {**said, "keep": KEEP},
        )
        self.passed.touch()
        registry_pusher.Executor().Do(
            {
                "model": [model],
                "pushed_model": [pushed],
                "blessing": [blessing],
                **{key: [artifact] for key, artifact in others.items()},
            },
            {"registration": [registration]},
            {**said, **REGISTRY_PROPERTIES},
        )

    def check_served(self) -> None:
        """What a reader could load is whole."""
        for name in files.names(self.destination):
            version = f"{self.destination}/{name}"
            if not name.startswith(".") and files.exists(f"{version}/saved_model.pb"):
                said = files.read_json(f"{version}/.pushed.json")
                assert content_hash(version) == said["content_hash"], f"{version} is not whole"

    def check_number(self, before: Version | None) -> None:
        """Attempts at one content took a new number, or none where it was served before."""
        served, last = newest(self.destination), before.version if before else 0
        if before and served.content_hash == before.content_hash:
            assert served.version == last, f"version {served.version} holds what {last} holds"
        elif self.destination.startswith("gs://"):  # where a killed pusher's number is burnt
            assert served.version > last
        else:
            assert served.version == last + 1, f"version {served.version} comes after {last}"

    def check_all(self, latest: str, contents: set[str]) -> None:
        """An attempt that was not killed left what an undisturbed one would."""
        self.check_served()
        served = newest(self.destination)
        assert served and served.content_hash == latest, "what was pushed last is not served"
        versions = get_registry(self.spec).versions("it")
        counts = collections.Counter(version.content_hash for version in versions)
        assert counts == collections.Counter(contents), f"registered: {counts}"
        for version in versions:
            folder = Path(version.uri.removeprefix("file://"))
            assert (folder / "MLmodel").is_file()
            assert content_hash(folder / "saved_model") == version.content_hash
        (challenger,) = [v.content_hash for v in versions if "challenger" in v.aliases]
        assert challenger == latest


REGISTRY_PROPERTIES = {
    "pipeline_name": "it",
    "config": "{}",
    "card": "{}",
    "champion": "manual",
}


def round_of_kills(
    task: Task,
    seconds: dict[str, float],
    dice: random.Random,
    done: collections.Counter[str],
    target: int,
) -> None:
    """Kills attempts on an empty destination and an absent store until there are so many."""
    first, latest, contents = True, 0, set[str]()
    while done["kills"] < target:
        # Mostly a new model; now and then the last one again, or one of those before it.
        latest += 1
        number = dice.choices([latest, latest - 1, dice.randint(1, latest)], [6, 2, 2])[0] or 1
        content = content_hash(task.model(number) / "Format-Serving")
        before = newest(task.destination)
        for _ in range(dice.randint(1, 3)):
            # The Pusher is quick: a moment in its own time as often as one in the other's.
            ends = dice.choice([seconds["pusher"], seconds["first" if first else "both"]])
            task.passed.unlink(missing_ok=True)
            child = fork(lambda n=number: task.attempt(n))
            time.sleep(dice.uniform(0, ends))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            assert os.WIFSIGNALED(status) or status == 0, "an attempt failed"
            killed = os.WIFSIGNALED(status)
            done["kills"] += killed
            done["in_registry_pusher" if task.passed.exists() else "in_pusher"] += killed
            task.check_served()
        started = time.time()
        assert forked(lambda n=number: task.attempt(n)) == 0, "a rerun did not end"
        # The machine may have more to do now than before, or less.
        seconds["both"] = (seconds["both"] + time.time() - started) / 2
        seconds["pusher"] = (seconds["pusher"] + task.passed.stat().st_mtime - started) / 2
        done["reruns"] += 1
        print(f"{done['kills']} kills, {done['reruns']} reruns", file=sys.stderr, flush=True)
        first = False
        contents.add(content)
        task.check_all(content, contents)
        task.check_number(before)


def measure(folder: Path, template: Path) -> dict[str, float]:
    """Seconds that undisturbed attempts take: the first of all, later ones, and their Pusher."""
    trial = Task(folder, str(folder / "serving"), template)
    found = {}
    for number, name in enumerate(("first", "both", "both")):
        trial.model(number)
        started = time.time()
        assert forked(lambda n=number: trial.attempt(n)) == 0
        found[name] = time.time() - started
        found["pusher"] = trial.passed.stat().st_mtime - started
    return found


def read(destination: str, lies: Callable[[str], Path], stop: Path, write: Path) -> None:
    """Loads and asks whatever is served, as often as it can, until it is told to stop."""
    import tensorflow as tf

    seen: collections.Counter[str] = collections.Counter()
    last = None
    while not stop.exists():
        time.sleep(0.05)
        found = newest(destination)
        if not found:
            continue
        seen["looks"] += 1
        try:
            assert content_hash(lies(found.path)) == found.content_hash
            if found.path != last:
                loaded = tf.saved_model.load(str(lies(found.path)))
                answer = loaded.signatures["serving_default"](tf.constant([1.0, 2.0]))
                assert list(answer["y"].numpy()) == [2.0, 4.0]
                seen["loads"] += 1
        except Exception:
            # The oldest may be removed while it is being looked at; then it is not served.
            if files.exists(f"{found.path}/saved_model.pb"):
                raise
        last = found.path
    write.write_text(json.dumps(seen))


def save_model(folder: Path) -> None:
    """Saves a model that doubles what it is given."""
    import tensorflow as tf

    model = tf.Module()
    model.factor = tf.Variable(2.0)
    model.weights = tf.Variable(tf.zeros([100_000]))
    double = tf.function(lambda x: {"y": x * model.factor})
    signature = double.get_concrete_function(tf.TensorSpec([None], tf.float32))
    tf.saved_model.save(model, str(folder), signatures=signature)


def warm(task: Task) -> None:
    """Does in this process, once, what its forks would each take seconds for."""
    mlflow_client.import_quietly()
    from mlflow.store.db import utils

    # MLflow reads all its migrations whenever a store is opened, for the number of the last one.
    utils._get_latest_schema_revision = functools.cache(utils._get_latest_schema_revision)
    task.model(0)
    task.attempt(0)  # imports on its way whatever is needed


def fork(work: Callable[[], None]) -> int:
    """Runs a function in a copy of this process. Returns its id."""
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return child


def forked(work: Callable[[], None]) -> int:
    """The same, to its end. Returns the status."""
    return os.waitpid(fork(work), 0)[1]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
