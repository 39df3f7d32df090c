"""Picks pictures, runs the probe, compares, and writes the verdict."""

import collections
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import tensorflow as tf
from google.protobuf.message import DecodeError
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.errors import ServingError
from components.files import on_disk, read_json, remove, split_files, write_json
from components.records import read_records
from components.serving_check.comparison import Expected
from components.serving_check.inspection import absolute_paths, python_functions
from components.serving_check.pictures import choose, kind
from components.serving_check.verdict import judge
from components.trainer.input_pipeline import served_batches
from components.trainer.records import PICTURE, Preprocessing, load_preprocessing

# Names as in tfx.components.infra_validator.executor, which cannot be imported without a server.
_BLESSED, _NOT_BLESSED, _PROPERTY = "INFRA_BLESSED", "INFRA_NOT_BLESSED", "blessed"
_PROJECT = Path(__file__).parents[2]
_LONGEST_SECONDS = 1800
_MOST_PREPARED = 16
"""Enough for every usual kind of file; at 600 pixels they are 70 MB."""


class Executor(base_executor.BaseExecutor):
    """See component.py for inputs, outputs and properties."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:
        """Checks; a model that fails is a result, not an error.

        Raises:
          ServingError: the predictions are not of these examples, or the machine did not let the
            model answer.
        """
        model = artifact_utils.get_single_instance(input_dict["model"])
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        predictions = artifact_utils.get_single_instance(input_dict["predictions"])
        tolerance, limits = exec_properties["tolerance"], json.loads(exec_properties["limits"])

        folder = artifact_utils.get_split_uri([examples], "test")
        kinds = [kind(image) for _, image in _pictures(folder)]
        chosen = choose(kinds, exec_properties["max_images"])
        wanted = set(chosen)
        sent = [p for i, p in enumerate(_pictures(folder)) if i in wanted]
        images = [image for _, image in sent]
        expected = _expected(predictions.uri, [id_ for id_, _ in sent])
        positions = choose([kinds[i] for i in chosen], _MOST_PREPARED)
        preprocessing = load_preprocessing(
            artifact_utils.get_single_uri(input_dict["preprocessing"])
        )
        prepared = prepare([images[i] for i in positions], preprocessing)
        # On this machine's disk, as the served copy will be.
        with on_disk(path_utils.serving_model_path(model.uri)) as place:
            answer = ask(str(place), images, prepared)
            inside = look_inside(str(place), expected.classes)

        verdict = {
            **judge(answer, expected, images, positions, tolerance, inside, limits),
            "images": len(sent),
            "kinds": dict(collections.Counter(kinds[i] for i in chosen)),
        }
        _bless(artifact_utils.get_single_instance(output_dict["infra_blessing"]), model, verdict)


def prepare(pictures: list[bytes], preprocessing: Preprocessing) -> np.ndarray:
    """Original bytes -> float32 [N, h, w, 3] in [0, 1], by what prepares the training's eval split.

    Nothing of the exported model is used.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "pictures.gz")
        with tf.io.TFRecordWriter(file, "GZIP") as writer:
            for picture in pictures:
                example = tf.train.Example()
                for key in PICTURE:
                    value = picture if key == "image" else b""
                    example.features.feature[key].bytes_list.value.append(value)
                writer.write(example.SerializeToString())
        (batch,) = served_batches([file], preprocessing, len(pictures))
        return batch["image"].numpy()


def ask(model: str, pictures: list[bytes], prepared: np.ndarray) -> dict[str, Any]:
    """Runs the probe in a fresh process.

    Args:
      model: a SavedModel folder.
      pictures: original bytes of image files.
      prepared: pictures as `prepare` gives them.

    Returns:
      {"error": text}, or what the probe says it writes: figures, and for each batch that was
      answered ("alone", "batched", "mixed", "bad", "empty", "huge", "prepared") its outputs by
      name.

    Raises:
      ServingError: it was killed or did not end, which says more of the machine than of the model:
        as a verdict, it would be kept for later runs.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i, picture in enumerate(pictures):
            (folder / f"{i}.bin").write_bytes(picture)
        np.save(folder / "prepared.npy", prepared)
        request = {"model": model, "pictures": len(pictures)}
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        paths = [str(_PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(paths),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        command = [sys.executable, "-m", "components.serving_check.probe", name]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, timeout=_LONGEST_SECONDS
            )
        except subprocess.TimeoutExpired:
            raise ServingError(
                f"{model}: the exported model gave no answer on this machine within "
                f"{_LONGEST_SECONDS} s; run again when the machine is less busy"
            ) from None
        if done.returncode == -signal.SIGKILL:
            raise ServingError(
                f"{model}: the process that asked the exported model was killed, most often "
                "because memory ran out; give the machine, or the container, more and run again"
            )
        if done.returncode or not (folder / "answer.json").is_file():
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            how = f"the process ended with {done.returncode}"  # -11: a broken model
            return {"error": ": ".join([how, *last])}
        answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
        if "error" not in answer:
            with np.load(folder / "answers.npz") as arrays:
                for key in arrays.files:
                    how, output = key.split(".", 1)
                    answer.setdefault(how, {})[output] = arrays[key]
        return answer


def look_inside(model: str, labels: Collection[str]) -> dict[str, list[str]]:
    """Returns what a SavedModel must not hold, as `judge` takes it: {"python", "paths"}."""
    try:
        return {"python": python_functions(model), "paths": absolute_paths(model, labels)}
    except (OSError, DecodeError):  # the probe cannot load it either, and says why
        return {"python": [], "paths": []}


def _pictures(folder: str) -> Iterator[tuple[str, bytes]]:
    """Yields (id, original bytes) of the split's Examples, one at a time."""
    for record in read_records(split_files(folder)).prefetch(8).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        yield features["id"].bytes_list.value[0].decode(), features["image"].bytes_list.value[0]


def _expected(folder: str, ids: list[str]) -> Expected:
    with on_disk(os.path.join(folder, "predictions.parquet")) as path:
        table = pq.read_table(path, columns=["id", "path", "probabilities"])
    position = {id_: i for i, id_ in enumerate(table["id"].to_pylist())}
    missing = [id_ for id_ in ids if id_ not in position]
    if missing:
        raise ServingError(
            f"{folder}: the predictions lack {len(missing)} of the test pictures, such as "
            f"{missing[0]}; run the Evaluator again"
        )
    rows = table.take([position[id_] for id_ in ids])
    classes = read_json(os.path.join(folder, "labels.json"))
    flat = pc.list_flatten(rows["probabilities"]).to_numpy()
    return Expected(rows["path"].to_pylist(), classes, flat.reshape(len(ids), len(classes)))


def _bless(blessing: types.Artifact, model: types.Artifact, verdict: dict[str, Any]) -> None:
    for name in (_BLESSED, _NOT_BLESSED):  # a killed execution may have left its own verdict
        remove(os.path.join(blessing.uri, name))
    passed = verdict["passed"]
    io_utils.write_string_file(os.path.join(blessing.uri, _BLESSED if passed else _NOT_BLESSED), "")
    blessing.set_int_custom_property(_PROPERTY, int(passed))
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    blessing.set_int_custom_property("images", verdict["images"])
    write_json(blessing.uri, "infra_blessing.json", verdict)
