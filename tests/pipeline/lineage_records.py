"""Runs in a real metadata store, written as TFX writes them, and data sets as they lie on disk."""

import hashlib
import json
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2 as pb

from components.image_example_gen.grouping import Earlier
from components.image_example_gen.history import write_contents, write_history
from components.image_example_gen.listing import SPLITS, Entry
from components.image_example_gen.work import Found, Place
from components.image_example_gen.writer import SplitWriter, example
from pipeline import lineage
from pipeline.config import Config
from pipeline.near_copies import mark_of
from pipeline.places import Places
from pipeline.stores import open_store

NODES = (
    "ImageExampleGen", "ImageTransform", "FeatureExtractor", "Trainer", "Evaluator",
    "ServingCheck", "Pusher", "RegistryPusher",
)  # fmt: skip


ONE, TWO, THREE, COPY = b"one", b"two", b"three", b"one, saved again"


class Task:
    """A task's store, to which runs are added."""

    def __init__(self, folder: Path, server: str | None = None, **settings):
        self.folder = folder
        self.settings = {"registry": "none", "source": str(folder / "span-{SPAN}"), **settings}
        self.places = Places(folder / "runs", "shades", server)
        self.places.home.mkdir(parents=True)
        self.store = open_store(self.places.metadata)
        self._types = {}
        self._history = []

    def file(self, span, path, content):
        """A source file; its bytes are its content."""
        place = self.folder / f"span-{span}" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return place

    def data(self, span, rows, shards=1, written_down=True):
        """A data set of {path: (split, content, group)}; its artifacts, by key."""
        places = [
            Place(
                Entry(path, path.split("/")[0], "", id=_hash(path.encode())[:16], span=span),
                Found(_hash(content)[:32], mark_of(content), "PNG", 8, 8, 3, len(content), 0),
                group or _hash(content)[:32],
                split,
            )
            for path, (split, content, group) in rows.items()
        ]
        made = {key: self._artifact("Examples", key) for key in ("examples", "facts")}
        rejects = made["rejects"] = self._artifact("Rejects", "rejects")
        Path(rejects.uri, "rejects.jsonl").write_text('{"path": "dark/bad.png", "reason": "bad"}\n')
        for shard in range(shards):
            with SplitWriter(made["facts"].uri, shard, shards) as writer:
                size = -(-len(places) // shards)
                for place in places[shard * size : (shard + 1) * size]:
                    said = {"label": place.entry.label, "path": place.entry.path}
                    said |= {"group": place.group, "id": place.entry.id}
                    text = {key: value.encode() for key, value in said.items()}
                    writer.write(place.split, example(text))
        write_history(made["facts"].uri, places, self._history)
        lines = Path(made["facts"].uri, "groups.jsonl").read_text().splitlines()
        self._history = [Earlier(**json.loads(line)) for line in lines]
        if written_down:
            write_contents(made["facts"].uri, places)
        counts = {split: sum(p.split == split for p in places) for split in SPLITS}
        for key in ("examples", "facts"):
            said = made[key].custom_properties
            said["span"].int_value = span
            said["counts"].struct_value.update({"__value__": {**counts, "rejected": 1}})
            said["data_fingerprint"].string_value = _hash(repr(rows).encode())
        return made

    def model(self, content_hash, began_from=None):
        """A trained model's artifact."""
        model = self._artifact("Model", "model")
        said = {"content_hash": content_hash, "module_handle": "./modules/x", "module_hash": "77"}
        said["began_from"] = began_from.uri if began_from else ""
        for key, value in said.items():
            model.custom_properties[key].string_value = value
        return model

    def run(
        self, run_id, data=None, model=None, baseline=None, served=None, cached=(), failed=None,
        warm_start=False, blessed=True,
    ):  # fmt: skip
        """A run of what it is given: a node is "cached", or "failed" and all after it never ran.

        served: number of the version that it pushed; None: it pushed nothing.
        """
        config = Config.model_validate(
            {
                "name": "shades",
                "data": {"source": self.settings["source"]},
                "train": {"warm_start": warm_start},
                "push": {k: v for k, v in self.settings.items() if k.startswith("registry")},
            }
        ).model_dump(mode="json")
        nodes = [lineage.Node(node, "skipped") for node in NODES]
        versions = {"graft": "0.1.0", "git": "c" * 40 + "+changes"}
        lineage.record_start(
            self.store, lineage.Run(run_id, config, "confighash12", 0.0, versions, nodes), "shades"
        )
        examples = {"examples": data["examples"]} if data else {}
        outputs = {
            "ImageExampleGen": data or {},
            "ImageTransform": {
                "transformed_examples": self._artifact("Examples", "transformed_examples"),
                "preprocessing": self._artifact("Preprocessing", "preprocessing"),
            },
            "FeatureExtractor": {"features": self._artifact("Features", "features")},
            "Trainer": {"model": model} if model else {},
            "Evaluator": {"predictions": self._artifact("Predictions", "predictions")},
            "Pusher": {"pushed_model": self._pushed(model, served)},
        }
        if model:
            outputs["Evaluator"]["blessing"] = self._blessing(blessed)
            outputs["ServingCheck"] = {"infra_blessing": self._blessing(blessed, "infra_")}
        of_model = {"model": model} if model else {}
        inputs = {
            **{node: examples for node in ("ImageTransform", "FeatureExtractor", "Trainer")},
            "Evaluator": examples | of_model | ({"baseline_model": baseline} if baseline else {}),
            **{node: of_model for node in ("ServingCheck", "Pusher", "RegistryPusher")},
        }
        for node in NODES:
            state = pb.Execution.FAILED if node == failed else pb.Execution.COMPLETE
            state = pb.Execution.CACHED if node in cached else state
            put_out = {} if node == failed else outputs.get(node, {})
            self._execute(run_id, node, state, inputs.get(node, {}), put_out)
            if node == failed:
                break

    def _pushed(self, model, number):
        pushed = self._artifact("PushedModel", "pushed_model")
        pushed.custom_properties["pushed"].int_value = int(number is not None)
        if number is not None:
            folder = Path(self.places.serving(None), str(number))
            pushed.custom_properties["pushed_destination"].string_value = str(folder)
            pushed.custom_properties["pushed_version"].int_value = number
            folder.mkdir(parents=True)
            content = model.custom_properties["content_hash"].string_value
            (folder / "saved_model.pb").write_text(content)
            (folder / ".pushed.json").write_text(json.dumps({"content_hash": content}))
        return pushed

    def _blessing(self, blessed, prefix=""):
        blessing = self._artifact("ModelBlessing", f"{prefix}blessing")
        verdict = {"blessed": blessed, "passed": blessed, "reasons": [f"{prefix}reason"]}
        Path(blessing.uri, f"{prefix}blessing.json").write_text(json.dumps(verdict))
        return blessing

    def _artifact(self, kind, key):
        """A live artifact with a folder of its own."""
        type_id = self._type(pb.ArtifactType(name=kind))
        number = len(list(self.places.home.glob(f"artifacts/*/{key}/*")))
        folder = Path(self.places.artifacts, "node", key, str(number))
        folder.mkdir(parents=True)
        artifact = pb.Artifact(type_id=type_id, uri=str(folder), state=pb.Artifact.LIVE)
        (artifact.id,) = self.store.put_artifacts([artifact])
        return artifact

    def _execute(self, run_id, node, state, inputs, outputs):
        type_id = self._type(pb.ExecutionType(name=f"type of {node}"))
        execution = pb.Execution(type_id=type_id, last_known_state=state)
        pairs = [
            (artifact, pb.Event(type=kind, path=pb.Event.Path(steps=[pb.Event.Path.Step(key=key)])))
            for kind, side in ((pb.Event.INPUT, inputs), (pb.Event.OUTPUT, outputs))
            for key, artifact in side.items()
        ]
        contexts = [
            self._context(kind, name)
            for kind, name in (("pipeline_run", run_id), ("node", f"shades.{node}"))
        ]
        self.store.put_execution(execution, pairs, contexts, reuse_context_if_already_exist=True)

    def _context(self, kind, name):
        return pb.Context(type_id=self._type(pb.ContextType(name=kind)), name=name)

    def _type(self, kind):
        """The id of a type, which is put once: the store takes its time for each."""
        if kind.name not in self._types:
            name = type(kind).__name__.removesuffix("Type").lower()
            self._types[kind.name] = getattr(self.store, f"put_{name}_type")(kind)
        return self._types[kind.name]


def add_two_spans(task: Task) -> Task:
    """A model of span 1, taken from the cache once; one of span 2 that began from it; a failure."""
    task.file(1, "dark/1.png", ONE)
    first = task.data(
        1,
        {
            "dark/1.png": ("train", ONE, "g"),
            "dark/copy.png": ("train", COPY, "g"),
            "light/2.png": ("eval", TWO, ""),
            "light/3.png": ("test", THREE, ""),
        },
    )
    second = task.data(2, {"dark/1.png": ("train", b"another", ""), "d/c.png": ("test", COPY, "")})
    a = task.model("aaaa1111")
    task.run("run-1", first, a, served=1)
    task.run("run-2", first, a, cached=NODES)
    b = task.model("bbbb2222", began_from=a)
    task.run("run-3", second, b, baseline=a, served=2, warm_start=True)
    task.run("run-4", second, failed="Trainer", warm_start=True)
    return task


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
