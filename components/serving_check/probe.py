"""Asks an exported model as a server would: in a process of its own that knows nothing of ours.

`python -m components.serving_check.probe FOLDER` reads from FOLDER `request.json` ({"model": a
SavedModel folder, "pictures": count}), that many files `<i>.bin` of original bytes, and
`prepared.npy`: pictures that are ready for the network, float32 [N, h, w, 3]. It writes
`answer.json`: {"error": text}, or
  load_seconds, latency_ms {"1", "32"}, memory_mb {"loaded", "answering"}, huge_seconds,
  failed: {batch: text} of the odd batches below that got no answer,
  no_json: why an answer cannot be told in JSON, or null;
and with the latter `answers.npz`: what `serving_default` gives, `<batch>.<output>`, for
  alone, batched: the pictures one by one, and 32 at a time;
  huge: as many of them as `huge_batch` takes, over again, at once;
  mixed: `mixed_batch`, each picture beside one that cannot be read; bad: the latter alone;
  empty: none;
and what `serving_images` gives for
  prepared: the prepared pictures, one by one.

Besides numpy it imports TensorFlow and the messages of TensorFlow Serving: a model that needs more
to be loaded cannot be loaded by a server either.
"""

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

BATCH = 32
HUGE = 256
"""Eight usual batches: a memory that grows with the batch shows, on a slow network in a minute."""
PREPARED_SIGNATURE = "serving_images"
_HUGE_BYTES = 2**28  # of encoded pictures; a message ends at 2**31

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
        prepared = np.load(os.path.join(folder, "prepared.npy"), mmap_mode="r")
        answer = _ask(request["model"], pictures, prepared, folder)
    except Exception as e:  # what stands in the way here stands in a server's way too
        answer = {"error": _said(e)}
    with open(os.path.join(folder, "answer.json"), "w", encoding="utf-8") as f:
        json.dump(answer, f)


def huge_batch(sizes: Sequence[int]) -> list[int]:
    """Which pictures go into the huge batch: positions, over again up to HUGE of them.

    Args:
      sizes: bytes of each picture. Large ones fill fewer places, one at least.
    """
    taken, total = [0], sizes[0]
    for i in range(1, HUGE):
        total += sizes[i % len(sizes)]
        if total > _HUGE_BYTES:
            break
        taken.append(i % len(sizes))
    return taken


def mixed_batch(pictures: Sequence[bytes]) -> tuple[list[bytes], list[int]]:
    """Returns a batch in which each second picture cannot be read, and where the others stand.

    What cannot be read: no bytes at all, text, and a picture that ends within its header.

    Args:
      pictures: good ones, one at least.

    Returns:
      (batch, positions): the batch's pictures 0, 2 and 4 are those at `positions`.
    """
    bad = [b"", b"this is no picture", pictures[0][:16]]
    positions = [i % len(pictures) for i in range(len(bad))]
    return [p for i, b in zip(positions, bad, strict=True) for p in (pictures[i], b)], positions


def _ask(model: str, pictures: list[bytes], prepared: np.ndarray, folder: str) -> dict[str, Any]:
    import tensorflow as tf  # here, so that its failing is an answer

    from components.serving_check import messages

    start = time.monotonic()
    loaded = tf.saved_model.load(model)
    load_seconds = time.monotonic() - start
    memory_mb = {"loaded": _peak_mb()}
    serve = loaded.signatures[messages.SIGNATURE]

    def ask(batch: list[bytes]) -> _Outputs:
        return messages.read_response(messages.answer(serve, messages.make_request(batch)))

    ask(pictures[:1])  # the first call builds what the others use
    answers: dict[str, _Outputs] = {}
    answers["alone"], alone_ms = _timed(ask, pictures, 1)
    answers["batched"], batched_ms = _timed(ask, pictures, BATCH)
    if not batched_ms:
        _, batched_ms = _timed(ask, (pictures * BATCH)[:BATCH], BATCH)

    mixed, _ = mixed_batch(pictures)
    huge = [pictures[i] for i in huge_batch([len(p) for p in pictures])]
    seconds, failed = {}, {}
    for name, batch in {"mixed": mixed, "bad": mixed[1::2], "empty": [], "huge": huge}.items():
        start = time.monotonic()
        try:
            answers[name] = ask(batch)
        except Exception as e:
            failed[name] = _said(e)
        seconds[name] = time.monotonic() - start

    no_json = None
    try:
        shown = mixed if "mixed" not in failed else pictures[:BATCH]
        messages.json_of_response(messages.answer(serve, messages.make_request(shown)))
    except ValueError as e:
        no_json = str(e)

    memory_mb["answering"] = _peak_mb()  # what follows, no server is asked
    try:
        answers["prepared"] = {"probabilities": _scores(loaded, prepared)}
    except Exception as e:
        failed["prepared"] = _said(e)

    arrays = {f"{how}.{key}": value for how, all_ in answers.items() for key, value in all_.items()}
    np.savez(os.path.join(folder, "answers.npz"), **arrays)  # type: ignore[arg-type]
    return {
        "load_seconds": load_seconds,
        "latency_ms": {
            "1": statistics.median(alone_ms),
            str(BATCH): statistics.median(batched_ms),
        },
        "memory_mb": memory_mb,
        "huge_seconds": None if "huge" in failed else seconds["huge"],
        "failed": failed,
        "no_json": no_json,
    }


def _scores(loaded: Any, prepared: np.ndarray) -> np.ndarray:
    """What the network says of prepared pictures, one by one: the size of a batch would move the
    last digits."""
    if PREPARED_SIGNATURE not in loaded.signatures:
        raise ValueError(f"the model has no signature {PREPARED_SIGNATURE}")
    score = loaded.signatures[PREPARED_SIGNATURE]
    ones = [prepared[i : i + 1] for i in range(len(prepared))]
    return np.concatenate([score(images=one.copy())["probabilities"].numpy() for one in ones])


def _timed(
    ask: Callable[[list[bytes]], _Outputs], pictures: list[bytes], size: int
) -> tuple[_Outputs, list[float]]:
    """Returns the outputs for all pictures, and the milliseconds of each call of full size."""
    answers, milliseconds = [], []
    for i in range(0, len(pictures), size):
        batch = pictures[i : i + size]
        start = time.monotonic()
        answers.append(ask(batch))
        if len(batch) == size:
            milliseconds.append(1000 * (time.monotonic() - start))
    joined = {key: np.concatenate([answer[key] for answer in answers]) for key in answers[0]}
    return joined, milliseconds


def _peak_mb() -> float:
    """Largest resident memory of this process so far, in units of 10**6 bytes."""
    try:
        with open("/proc/self/status") as f:
            (line,) = [each for each in f if each.startswith("VmHWM")]
        return int(line.split()[1]) * 1024 / 1e6
    except (OSError, ValueError):  # macOS, or a sandbox that does not tell
        # Not on Linux: there it counts what the parent held before this program began.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


if __name__ == "__main__":
    probe(sys.argv[1])
