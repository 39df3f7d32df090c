"""Asks an exported model as a server would: in a process of its own that knows nothing of ours.

`python -m components.serving_check.probe FOLDER` reads from FOLDER `request.json` ({"model": a
SavedModel folder, "pictures": count}) and that many files `<i>.bin` of original bytes. It writes
`answer.json`, {"error": text} or {"load_seconds", "latency_ms": {"1", "32"}}, and with the latter
`answers.npz`: what `serving_default` gives for the pictures sent one by one, `alone.<output>`, and
32 at a time, `batched.<output>`.

Besides numpy, TensorFlow is all that it imports: a model that needs more to be loaded cannot be
loaded by a server either.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

BATCH = 32

_Outputs = dict[str, np.ndarray]


def probe(folder: str) -> None:
    """Does what the module says; a model that cannot answer is an answer, not an error."""
    with open(os.path.join(folder, "request.json"), encoding="utf-8") as f:
        request = json.load(f)
    pictures = []
    for i in range(request["pictures"]):
        with open(os.path.join(folder, f"{i}.bin"), "rb") as picture:
            pictures.append(picture.read())
    try:
        answer = _ask(request["model"], pictures, folder)
    except Exception as e:  # what stands in the way here stands in a server's way too
        answer = {"error": f"{type(e).__name__}: {e}"}
    with open(os.path.join(folder, "answer.json"), "w", encoding="utf-8") as f:
        json.dump(answer, f)


def _ask(model: str, pictures: list[bytes], folder: str) -> dict[str, Any]:
    import tensorflow as tf  # here, so that its failing is an answer

    start = time.monotonic()
    loaded = tf.saved_model.load(model)
    load_seconds = time.monotonic() - start
    serve = loaded.signatures["serving_default"]

    def ask(batch: list[bytes]) -> _Outputs:
        return {k: _plain(v.numpy()) for k, v in serve(image_bytes=tf.constant(batch)).items()}

    ask(pictures[:1])  # the first call builds what the others use
    alone, alone_ms = _timed(ask, pictures, 1)
    batched, batched_ms = _timed(ask, pictures, BATCH)
    if len(pictures) < BATCH:
        _, batched_ms = _timed(ask, (pictures * BATCH)[:BATCH], BATCH)
    arrays = {f"alone.{key}": value for key, value in alone.items()}
    arrays |= {f"batched.{key}": value for key, value in batched.items()}
    np.savez(os.path.join(folder, "answers.npz"), **arrays)  # type: ignore[arg-type]
    return {"load_seconds": load_seconds, "latency_ms": {"1": alone_ms, str(BATCH): batched_ms}}


def _timed(
    ask: Callable[[list[bytes]], _Outputs], pictures: list[bytes], size: int
) -> tuple[_Outputs, float]:
    """Returns the outputs for all pictures, and the median milliseconds of a call."""
    answers, milliseconds = [], []
    for i in range(0, len(pictures), size):
        start = time.monotonic()
        answers.append(ask(pictures[i : i + size]))
        milliseconds.append(1000 * (time.monotonic() - start))
    joined = {key: np.concatenate([answer[key] for answer in answers]) for key in answers[0]}
    return joined, statistics.median(milliseconds)


def _plain(values: np.ndarray) -> np.ndarray:
    """Strings as numpy's own text: arrays of objects would have to be pickled."""
    if values.dtype != object:
        return values
    return np.array([v.decode(errors="backslashreplace") for v in values.flat]).reshape(
        values.shape
    )


if __name__ == "__main__":
    probe(sys.argv[1])
