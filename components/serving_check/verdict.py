"""What is said of a model: one check after the other, each with a sentence. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.serving_check.comparison import Expected, compare
from components.serving_check.probe import BATCH, PREPARED_SIGNATURE, huge_batch, mixed_batch

_MARKS = {"label", "score", "probabilities", "error"}


def judge(
    answer: Mapping[str, Any],
    expected: Expected,
    pictures: Sequence[bytes],
    prepared: list[int],
    tolerance: float,
    inside: Mapping[str, Sequence[str]],
    limits: Mapping[str, float | None],
) -> dict[str, Any]:
    """Returns the verdict: see ServingCheck for its keys.

    Args:
      answer: what `executor.ask` returned for the pictures.
      expected: what the evaluation has of them.
      pictures: those that were sent, one at least.
      prepared: positions of those that were sent prepared, too, one at least.
      tolerance: largest difference of a probability that is allowed.
      inside: `python` and `paths`, as inspection.py finds them in the SavedModel.
      limits: `max_load_seconds`, `max_memory_mb`, `max_latency_ms`; null allows all.
    """
    checks, largest = [], None
    if "error" in answer:
        reason = f"in a fresh process the exported model does not answer: {answer['error']}"
        checks.append(_check("loads", [reason], ""))
    else:
        checks.append(_loads(answer["load_seconds"], limits))
        equal, largest = _equal(answer, expected, tolerance)
        checks += [
            equal,
            _preprocessing(answer, expected, prepared, tolerance),
            _latency(answer["latency_ms"], limits),
            _memory(answer["memory_mb"], limits),
            _bad_pictures(answer, expected, pictures, tolerance),
            _empty_batch(answer, expected, tolerance),
            _huge_batch(answer, expected, pictures, tolerance),
            _json(answer),
        ]
    checks += [_no_python(inside["python"]), _no_paths(inside["paths"])]
    failed = [check["sentence"] for check in checks if not check["passed"]]
    huge = answer.get("huge_seconds")
    return {
        "passed": not failed,
        "reasons": failed or _summed_up({check["name"]: check["sentence"] for check in checks}),
        "checks": checks,
        "max_difference": largest,
        "load_seconds": answer.get("load_seconds"),
        "latency_ms": answer.get("latency_ms"),
        "memory_mb": answer.get("memory_mb"),
        "huge_batch": huge and {"images": len(_huge_positions(pictures)), "seconds": huge},
    }


def _summed_up(said: Mapping[str, str]) -> list[str]:
    """The sentences of all checks as three: a person reads them in a terminal."""
    groups = [
        ["equal", "preprocessing"],
        ["loads", "latency", "memory"],
        ["bad_pictures", "empty_batch", "huge_batch", "json", "no_python", "no_paths"],
    ]
    return ["; ".join(said[name] for name in group) for group in groups]


def _check(name: str, reasons: Sequence[str], well: str) -> dict[str, Any]:
    """A check with reasons against the model has failed; without, `well` is what was seen."""
    return {"name": name, "passed": not reasons, "sentence": "; ".join(reasons) or well}


def _equal(
    answer: Mapping[str, Any], expected: Expected, tolerance: float
) -> tuple[dict[str, Any], float | None]:
    alone, alone_largest = compare(expected, answer["alone"], tolerance, "one by one")
    batched, batched_largest = compare(expected, answer["batched"], tolerance, f"{BATCH} at a time")
    largest = max((d for d in (alone_largest, batched_largest) if d is not None), default=None)
    well = (
        f"a fresh process scores {len(expected.paths)} original test pictures as the evaluation "
        f"did, to within {largest or 0:.1g}; at most {tolerance:g} is allowed"
    )
    return _check("equal", alone + batched, well), largest


def _preprocessing(
    answer: Mapping[str, Any], expected: Expected, positions: list[int], tolerance: float
) -> dict[str, Any]:
    """The evaluation goes through the exported graph, so it cannot see that this prepares pictures
    otherwise than the training did."""
    if "prepared" in answer["failed"]:
        reason = (
            "pictures that are prepared as the training prepares them cannot be scored: "
            f"{answer['failed']['prepared']}; export {PREPARED_SIGNATURE} as "
            "components/trainer/signatures.py does"
        )
        return _check("preprocessing", [reason], "")
    alone, scores = _as_alone(answer, expected, positions), answer["prepared"]["probabilities"]
    if scores.shape != alone.probabilities.shape:
        reason = f"{len(positions)} prepared pictures give probabilities of shape "
        return _check("preprocessing", [f"{reason}{list(scores.shape)}"], "")
    differences = np.abs(scores.astype(np.float64) - alone.probabilities).max(axis=1)
    worst, worse = int(differences.argmax()), ~(differences <= tolerance)  # NaN is worse, too
    reasons = [
        f"{worse.sum()} of {len(positions)} test pictures are scored otherwise as served than "
        f"prepared as the training prepares them, {alone.paths[worst]} by "
        f"{differences[worst]:.2g}; at most {tolerance:g} is allowed: the exported model decodes, "
        "resizes or crops in another way"
    ]
    well = (
        f"{len(positions)} pictures prepared as the training prepares them are scored as served, "
        f"to within {differences[worst]:.1g}"
    )
    return _check("preprocessing", reasons if worse.any() else [], well)


def _loads(seconds: float, limits: Mapping[str, float | None]) -> dict[str, Any]:
    return _limited("loads", "it loads in", seconds, "s", limits, "max_load_seconds")


def _latency(milliseconds: Mapping[str, float], limits: Mapping[str, float | None]) -> dict:
    more = f", {BATCH} at once {_figure(milliseconds[str(BATCH)])} ms"
    one = milliseconds["1"]
    return _limited("latency", "a picture takes", one, "ms", limits, "max_latency_ms", more)


def _memory(memory: Mapping[str, float], limits: Mapping[str, float | None]) -> dict[str, Any]:
    more = f", {memory['loaded']:.0f} MB of it once the model is loaded"
    what, most = "the process takes at most", memory["answering"]
    return _limited("memory", what, most, "MB", limits, "max_memory_mb", more)


def _limited(
    name: str,
    what: str,
    value: float,
    unit: str,
    limits: Mapping[str, float | None],
    key: str,
    more: str = "",
) -> dict[str, Any]:
    said, most = f"{what} {_figure(value)} {unit}", limits[key]
    if most is None or value <= most:
        return _check(name, [], said + more)
    again = "the machine was busy? delete this verdict's folder, or change the key, and run again"
    return _check(name, [f"{said}; serving.{key} allows {most:g}{more} ({again})"], "")


def _figure(value: float) -> str:
    """Three digits, and those of large whole numbers: nobody reads 2.52e+03 ms."""
    return f"{value:.0f}" if value >= 999.5 else f"{value:.3g}"


def _bad_pictures(
    answer: Mapping[str, Any], expected: Expected, pictures: Sequence[bytes], tolerance: float
) -> dict[str, Any]:
    """A bad picture must cost its neighbours nothing, and come back marked."""
    reasons = []
    mixed, positions = mixed_batch(pictures)
    bad = mixed[1::2]
    for name, batch, said in (("mixed", mixed, "beside good ones"), ("bad", bad, "by themselves")):
        if name in answer["failed"]:
            failure = answer["failed"][name]
            reasons.append(f"unreadable pictures sent {said} fail their whole batch: {failure}")
            break
        served = answer[name]
        shapes = {key: list(value.shape) for key, value in served.items()}
        if not _MARKS <= set(shapes):
            missing = ", ".join(sorted(_MARKS - set(shapes)))
            reasons.append(f"an unreadable picture cannot be marked: there is no output {missing}")
            break
        if any(shape[:1] != [len(batch)] for shape in shapes.values()):
            reasons.append(f"{len(batch)} pictures, unreadable ones {said}, give shapes {shapes}")
            continue
        step = slice(1, None, 2) if name == "mixed" else slice(None)
        marked = {key: value[step] for key, value in served.items()}
        reasons += [
            f"an unreadable picture ({_described(picture)}) sent {said} comes back with {wrong}"
            for i, picture in enumerate(bad)
            if (wrong := _not_marked(marked, i))
        ][:1]
        if name == "mixed":
            good = {key: value[::2] for key, value in served.items()}
            alone = _as_alone(answer, expected, positions)
            reasons += compare(alone, good, tolerance, "beside unreadable ones", "alone")[0]
    well = "an unreadable picture is marked and its neighbours are answered as alone"
    return _check("bad_pictures", reasons, well)


def _not_marked(served: Mapping[str, np.ndarray], i: int) -> str:
    """What is wrong with an answer that should be marked, or an empty text."""
    error, label, score = (served[name][i] for name in ("error", "label", "score"))
    wrong = [
        *(["no error"] if np.all(error == "") else []),
        *([f"the label {str(label)!r}"] if np.any(label != "") else []),
        *([f"the score {score}"] if np.any(score != 0) else []),
        *(["probabilities other than 0"] if np.any(served["probabilities"][i] != 0) else []),
    ]
    return " and ".join(wrong)


def _described(picture: bytes) -> str:
    return f"{len(picture)} bytes" + (f" that begin with {picture[:4]!r}" if picture else "")


def _empty_batch(answer: Mapping[str, Any], expected: Expected, tolerance: float) -> dict[str, Any]:
    if "empty" in answer["failed"]:
        reasons = [f"an empty batch fails: {answer['failed']['empty']}"]
    else:
        nothing = Expected([], expected.classes, np.zeros((0, len(expected.classes))))
        reasons = compare(nothing, answer["empty"], tolerance, "as an empty batch")[0]
    return _check("empty_batch", reasons, "an empty batch is answered with nothing")


def _huge_batch(
    answer: Mapping[str, Any], expected: Expected, pictures: Sequence[bytes], tolerance: float
) -> dict[str, Any]:
    positions = _huge_positions(pictures)
    how = f"{len(positions)} at once"
    if "huge" in answer["failed"]:
        reasons = [f"a batch of {len(positions)} fails: {answer['failed']['huge']}"]
    else:
        alone = _as_alone(answer, expected, positions)
        reasons = compare(alone, answer["huge"], tolerance, how, "alone")[0]
    seconds = answer["huge_seconds"] or 0.0
    return _check("huge_batch", reasons, f"{how} are answered as alone, in {seconds:.3g} s")


def _huge_positions(pictures: Sequence[bytes]) -> list[int]:
    return huge_batch([len(picture) for picture in pictures])


def _as_alone(answer: Mapping[str, Any], expected: Expected, positions: list[int]) -> Expected:
    """What the pictures at these positions gave one by one; the evaluation's, where that is not
    of the right shape, which is told elsewhere."""
    alone = answer["alone"].get("probabilities")
    if alone is None or alone.shape != expected.probabilities.shape:
        alone = expected.probabilities
    return Expected([expected.paths[i] for i in positions], expected.classes, alone[positions])


def _json(answer: Mapping[str, Any]) -> dict[str, Any]:
    said = answer["no_json"]
    reasons = [f"the REST interface cannot tell an answer in JSON: {said}"] if said else []
    return _check("json", reasons, "its answers can be told in JSON")


def _no_python(found: Sequence[str]) -> dict[str, Any]:
    reasons = [f"it calls Python, which no server has: {_some(found)}"] if found else []
    return _check("no_python", reasons, "no Python function is in it")


def _no_paths(found: Sequence[str]) -> dict[str, Any]:
    reasons = [f"it holds paths of this machine: {_some(found)}"] if found else []
    return _check("no_paths", reasons, "no path of this machine is in it")


def _some(found: Sequence[str]) -> str:
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(found[:3]) + more
