"""Asks models about the test images, once, and keeps what they say without the pixels."""

import os
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from components.ahead import ahead
from components.errors import EvaluationError
from components.evaluator.evaluation import Rows, Scores
from components.files import write_json, writing
from components.records import read_records

COLUMN_PREFIX = "column/"
_BATCH = 32
_BATCHES_AT_ONCE = 2
"""One is decoded while another goes through the network: neither keeps all cores busy alone."""
_WAY_OUT = "train again, or, where it is the blessed model, delete its folder to go without it"


def predict(
    files: Sequence[str], models: Sequence[str], progress: Callable[[int], None] | None = None
) -> tuple[Rows, list[Scores]]:
    """Reads raw Examples as a stream and asks every model's `serving_examples` about each batch.

    Args:
      files: gzipped TFRecords of Examples with `image`, `label`, `path`, `group`, `id` and
        `column/<name>`; each model sees the serialized Example, so the original bytes.
      models: folders of SavedModels; the signature takes `examples` [N] strings and gives
        `probabilities` [N, C], `all_classes` [N, C] strings and `error` [N] strings, which a
        model from before there was an `error` may lack.
      progress: called with how many images a batch had.

    Returns:
      The rows, and for each model its scores of these rows. Pictures are not kept.

    Raises:
      EvaluationError: a model cannot be loaded or lacks the signature, or cannot read a picture.
    """
    functions = [_signature(model) for model in models]
    rows, said = Rows(), [_Answers(model) for model in models]

    def ask(batch: tf.Tensor) -> list[dict[str, np.ndarray]]:
        return [_answer(function, batch) for function in functions]

    batches = read_records(files).batch(_BATCH).prefetch(1)
    for batch, answered in ahead(ask, batches, _BATCHES_AT_ONCE):
        serialized = batch.numpy()
        _append(rows, serialized)
        for answers, answer in zip(said, answered, strict=True):
            answers.add(answer, rows.paths[-len(serialized) :])
        if progress:
            progress(len(serialized))
    _pad(rows)
    return rows, [answers.scores() for answers in said]


def write(folder: str, rows: Rows, scores: Scores) -> None:
    """Writes `predictions.parquet` and `labels.json` (the classes, in the order of probabilities).

    Columns: id, path, label, predicted, group: strings; score: float, of the predicted label;
    probabilities: list of C floats; column/<name>: strings, as the manifest has them.
    """
    best = scores.probabilities.max(axis=1, initial=0.0)
    table = {
        "id": rows.ids,
        "path": rows.paths,
        "label": rows.labels,
        "predicted": scores.predicted,
        "score": pa.array(best, pa.float32()),
        "probabilities": pa.array(list(scores.probabilities), pa.list_(pa.float32())),
        "group": rows.groups,
        **{COLUMN_PREFIX + name: values for name, values in rows.columns.items()},
    }
    with writing(os.path.join(folder, "predictions.parquet")) as path:
        pq.write_table(pa.table(table), path)
    write_json(folder, "labels.json", scores.classes)


class _Answers:
    """A model's answers, batch after batch."""

    def __init__(self, model: str):
        self._model = model
        self._classes: list[str] = []
        self._batches: list[np.ndarray] = []

    def add(self, answer: dict[str, np.ndarray], paths: Sequence[str]) -> None:
        for path, error in zip(paths, answer["error"], strict=True):
            if error:
                raise EvaluationError(
                    f"{path}: the model cannot read this picture: {_decoded(error)}; repair the "
                    f"picture or leave it out (the model is {self._model})"
                )
        all_classes = answer["all_classes"]
        classes = [_decoded(name) for name in all_classes[0]]
        if classes != (self._classes or classes) or (all_classes != all_classes[0]).any():
            raise EvaluationError(f"{self._model}: names its classes in changing order")
        self._classes = classes
        self._batches.append(answer["probabilities"].astype(np.float32))

    def scores(self) -> Scores:
        if not self._batches:
            return Scores([], np.zeros((0, 0), np.float32))
        return Scores(self._classes, np.concatenate(self._batches))


def _signature(model: str) -> Callable[..., dict[str, tf.Tensor]]:
    try:
        loaded = tf.saved_model.load(model)
        function = loaded.signatures["serving_examples"]
    except KeyError:
        raise EvaluationError(
            f"{model}: has no signature serving_examples, so it cannot be evaluated; {_WAY_OUT}"
        ) from None
    except Exception as e:  # a SavedModel breaks in many ways, each with its own error
        raise EvaluationError(f"{model}: cannot be loaded ({e}); {_WAY_OUT}") from e
    # A signature does not keep alive the variables of the object that it came from.
    function.loaded = loaded
    return function


def _answer(
    function: Callable[..., dict[str, tf.Tensor]], batch: tf.Tensor
) -> dict[str, np.ndarray]:
    """Returns the outputs by name, with `error` in any case; where there is one, perhaps alone."""
    try:
        said = {name: output.numpy() for name, output in function(examples=batch).items()}
    except tf.errors.InvalidArgumentError:
        # A model without the output `error` fails for a whole batch: which picture was it?
        errors = [_failure(function, batch[i : i + 1]) for i in range(len(batch))]
        if not any(errors):
            raise
        return {"error": np.array(errors, object)}
    return {"error": np.full(len(batch), b"", object), **said}


def _failure(function: Callable[..., dict[str, tf.Tensor]], batch: tf.Tensor) -> bytes:
    try:
        function(examples=batch)
    except tf.errors.InvalidArgumentError as e:
        return str(e).encode()
    return b""


def _append(rows: Rows, serialized: Sequence[bytes]) -> None:
    for record in serialized:
        features = tf.train.Example.FromString(record).features.feature
        before = len(rows.ids)
        for values, key in (
            (rows.ids, "id"),
            (rows.paths, "path"),
            (rows.labels, "label"),
            (rows.groups, "group"),
        ):
            values.append(_text(features, key))
        for key in features:
            if key.startswith(COLUMN_PREFIX):
                values = rows.columns.setdefault(key.removeprefix(COLUMN_PREFIX), [])
                values += [""] * (before - len(values))  # rows before this one lack the column
                values.append(_text(features, key))


def _pad(rows: Rows) -> None:
    for values in rows.columns.values():
        values += [""] * (len(rows.ids) - len(values))


def _text(features, key: str) -> str:
    values = features[key].bytes_list.value if key in features else ()
    return _decoded(values[0]) if values else ""


def _decoded(text: bytes) -> str:
    return text.decode(errors="backslashreplace")
