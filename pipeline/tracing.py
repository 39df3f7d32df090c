"""What each model of a pipeline was made from, and what came of it: pure over what the store said.

A model is a content: trained twice to the same weights, it is one. A data set is what one
ImageExampleGen gave; runs that took it from the cache share it.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from components.errors import DataError
from components.image_example_gen.listing import SPLITS
from pipeline.lineage import GOOD_NODES, Artifact, Node, Run

CONTENTS = "contents.json"
"""In the folder of `facts`; see image_example_gen/history.py, which needs TensorFlow."""
SPLIT_RULES = ("split", "group_by", "near_copies")
"""Of the configuration's section `data`: what decides which split a picture falls into."""
_SHAPING = ("transform", "model", "train", "seed")


@dataclasses.dataclass(frozen=True)
class Dataset:
    """What one import of pictures gave.

    Attributes:
      examples, facts, rejects: its artifacts; `facts` and `rejects` may be missing.
      runs: all that had it, oldest first: the first read it, others took it from the cache.
    """

    examples: Artifact
    facts: Artifact | None
    rejects: Artifact | None
    runs: list[Run] = dataclasses.field(default_factory=list)

    @property
    def span(self) -> int | None:
        """The span's number, of several the newest; None where the source has none."""
        if "{SPAN" not in self.source:
            return None
        return int(self.examples.properties["span"])

    @property
    def version(self) -> int | None:
        """The span's version; None where the source has none."""
        version = self.examples.properties.get("version")
        return None if version is None or "{VERSION" not in self.source else int(version)

    @property
    def spans(self) -> int:
        """How many of the newest spans were read together, where there were so many."""
        return int(self.runs[0].config["data"].get("spans", 1))

    @property
    def source(self) -> str:
        """As the configuration names it."""
        return str(self.runs[0].config["data"]["source"])

    @functools.cached_property
    def contents(self) -> dict[str, list[str]] | None:
        """The hashes of the pictures' bytes by split; None where nobody has written them down.

        Raises:
          DataError: what was written down is damaged.
        """
        if self.facts is None:
            return None
        try:
            said = self.facts.json(CONTENTS)
        except ValueError:
            said = {}
        if said is not None and not (isinstance(said, dict) and said.keys() >= set(SPLITS)):
            raise damaged(self.facts)
        return said

    def to_json(self) -> dict[str, Any]:
        """What is known of it, as plain values."""
        said, section = self.examples.properties, self.runs[0].config["data"]
        counts = said.get("counts") or {}
        rules = {key: section[key] for key in SPLIT_RULES if key in section}
        return {
            "source": self.source,
            "span": self.span,
            "version": self.version,
            "spans": self.spans,
            "fingerprint": said.get("data_fingerprint") or "",
            "counts": {key: int(counts[key]) for key in (*SPLITS, "rejected") if key in counts},
            "split_rules": {**rules, "hash": _hash(rules)},
            "examples": self.examples.uri,
            "facts": self.facts.uri if self.facts else None,
            "run_ids": [run.id for run in self.runs],
        }


@dataclasses.dataclass(frozen=True)
class Training:
    """One training that ended in a model: the run that did it, and on what."""

    run: Run
    artifact: Artifact
    dataset: Dataset | None


@dataclasses.dataclass(frozen=True)
class Model:
    """One content, and the trainings that gave it, oldest first."""

    content_hash: str
    trainings: list[Training] = dataclasses.field(default_factory=list)

    @property
    def last(self) -> Training:
        """The newest training."""
        return self.trainings[-1]

    def is_in(self, artifacts: Sequence[Artifact]) -> bool:
        """Whether one of the artifacts is this model."""
        return any(a.properties.get("content_hash") == self.content_hash for a in artifacts)


class Trace:
    """Data sets and models of all runs, and how they hang together.

    Attributes:
      runs: oldest first.
      datasets: by id of their artifact `examples`, oldest first.
      models: by content hash, in the order in which they were first trained.
    """

    def __init__(self, runs: Sequence[Run]):
        """`runs`: all of one pipeline, oldest first, as `lineage.read_runs` gives them."""
        self.runs = list(runs)
        self.datasets: dict[int, Dataset] = {}
        self.models: dict[str, Model] = {}
        self._by_uri: dict[str, Model] = {}
        for run in self.runs:
            self._note_dataset(run)
        for run in self.runs:
            self._note_model(run)

    @property
    def newest_dataset(self) -> Dataset | None:
        """What the last run read, of those that came so far: perhaps an earlier one's, again."""
        last = (d for run in reversed(self.runs) for d in self.datasets.values() if run in d.runs)
        return next(last, None)

    def ancestors(self, model: Model) -> list[Model]:
        """The models that its training began from, one after the other, the nearest first."""
        found: list[Model] = []
        waiting = [model]
        while waiting:
            for training in waiting.pop(0).trainings:
                earlier = self._by_uri.get(training.artifact.properties.get("began_from") or "")
                if earlier and earlier is not model and earlier not in found:
                    found.append(earlier)
                    waiting.append(earlier)
        return found

    def datasets_of(self, model: Model) -> list[Dataset]:
        """What it was trained on itself, apart from what the models it began from had."""
        found = {
            training.dataset.examples.id: training.dataset
            for training in model.trainings
            if training.dataset
        }
        return list(found.values())

    def evaluation(self, model: Model) -> Run | None:
        """The last run in which the Evaluator judged it."""
        judged = (r for r in reversed(self.runs) if model.is_in(_inputs(r, "Evaluator", "model")))
        return next(judged, None)

    def baseline(self, model: Model) -> Model | None:
        """What it was compared with, the last time."""
        run = self.evaluation(model)
        found = _inputs(run, "Evaluator", "baseline_model") if run else []
        return self._by_uri.get(found[0].uri) if found else None

    def compared_on(self, model: Model) -> set[int]:
        """The data sets on whose test split it was the baseline, by id of their `examples`."""
        return {
            examples.id
            for run in self.runs
            if model.is_in(_inputs(run, "Evaluator", "baseline_model"))
            for examples in _inputs(run, "Evaluator", "examples")
        }

    def uses(self, model: Model) -> Iterator[tuple[Run, list[str]]]:
        """Yields the runs that had to do with a model, each with what it did, in words."""
        for run in self.runs:
            done = [
                f"{word}, from the cache" if node.state == "cached" else word
                for node, word in _done(run, model, self._by_uri)
            ]
            if done:
                yield run, done

    def _note_dataset(self, run: Run) -> None:
        node = run.node("ImageExampleGen")
        examples = node.output("examples")
        if node.state in GOOD_NODES and examples:
            new = Dataset(examples, node.output("facts"), node.output("rejects"))
            self.datasets.setdefault(examples.id, new).runs.append(run)

    def _note_model(self, run: Run) -> None:
        node = run.node("Trainer")
        artifact = node.output("model")
        if node.state not in GOOD_NODES or artifact is None or artifact.uri in self._by_uri:
            return
        content_hash = artifact.properties.get("content_hash") or artifact.uri
        model = self.models.setdefault(content_hash, Model(content_hash))
        examples = next(iter(node.inputs.get("examples", [])), None)
        dataset = self.datasets.get(examples.id) if examples else None
        model.trainings.append(Training(run, artifact, dataset))
        self._by_uri[artifact.uri] = model


def damaged(facts: Artifact) -> DataError:
    """The error of facts beside which CONTENTS does not say what it should."""
    return DataError(
        f"{facts.path(CONTENTS)}: is damaged; bring it back from a copy, or delete it: then "
        "nobody knows which pictures its run read, and that is said"
    )


def described(trace: Trace, model: Model) -> dict[str, Any]:
    """What a model was made from, as plain values."""
    run, artifact, dataset = model.last.run, model.last.artifact, model.last.dataset
    baseline, judged = trace.baseline(model), trace.evaluation(model)
    versions = dict(run.versions)
    commit = versions.pop("git", None)
    return {
        "content_hash": model.content_hash,
        "trainings": [
            {
                "run_id": training.run.id,
                "artifact": training.artifact.uri,
                "examples": training.dataset.examples.uri if training.dataset else None,
            }
            for training in model.trainings
        ],
        "data": dataset.to_json() if dataset else None,
        "module": {
            "handle": artifact.properties.get("module_handle"),
            "hash": artifact.properties.get("module_hash"),
        },
        "config": {
            "hash": run.config_hash,
            **{key: run.config[key] for key in _SHAPING if key in run.config},
        },
        "code": {"git_commit": commit, "versions": versions},
        "began_from": [
            {
                "content_hash": earlier.content_hash,
                "run_id": earlier.last.run.id,
                "data": earlier.last.dataset.to_json() if earlier.last.dataset else None,
            }
            for earlier in trace.ancestors(model)
        ],
        "compared_with": baseline.content_hash if baseline else None,
        "evaluated_in": judged.id if judged else None,
        "runs": [{"run_id": one.id, "did": done} for one, done in trace.uses(model)],
    }


def _inputs(run: Run, node_id: str, key: str) -> list[Artifact]:
    """What a node of a run took; nothing where it has not ended well."""
    node = run.node(node_id)
    return node.inputs.get(key, []) if node.state in GOOD_NODES else []


def _done(run: Run, model: Model, by_uri: dict[str, Model]) -> Iterator[tuple[Node, str]]:
    trainer = run.node("Trainer")
    if trainer.state in GOOD_NODES and (made := trainer.output("model")):
        if model.is_in([made]):
            yield trainer, "trained"
        elif by_uri.get(made.properties.get("began_from") or "") is model:
            yield trainer, "began from it"
    for node_id, key, word, flag in (
        ("Evaluator", "model", "evaluated", None),
        ("Evaluator", "baseline_model", "compared with it", None),
        ("ServingCheck", "model", "checked", None),
        ("Pusher", "model", "pushed", ("pushed_model", "pushed")),
        ("RegistryPusher", "model", "registered", ("registration", "registered")),
    ):
        if model.is_in(_inputs(run, node_id, key)):
            node = run.node(node_id)
            said = node.output(flag[0]) if flag else None
            did = flag is None or bool(said and said.properties.get(flag[1]))
            yield node, word if did else f"not {word}"


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
