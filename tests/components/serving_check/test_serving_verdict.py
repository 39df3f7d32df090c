import copy

import numpy as np
import pytest

from components.serving_check.comparison import Expected
from components.serving_check.probe import huge_batch, mixed_batch
from components.serving_check.verdict import judge

CLASSES = ["ant", "bee", "cat"]
PICTURES = [bytes([65 + i]) * 40 for i in range(5)]
PREPARED = [1, 2, 4]
PROBABILITIES = np.random.default_rng(0).dirichlet([1, 1, 1], 5).astype(np.float32)
EXPECTED = Expected([f"{i}.jpg" for i in range(5)], CLASSES, PROBABILITIES)
NO_LIMITS = {"max_load_seconds": None, "max_memory_mb": None, "max_latency_ms": None}
CLEAN = {"python": [], "paths": []}


def outputs(positions):
    """What is served for pictures at these positions; None stands for one that cannot be read."""
    rows = [np.zeros(3, np.float32) if i is None else PROBABILITIES[i] for i in positions]
    probabilities = np.array(rows, np.float32).reshape(-1, 3)
    label = ["" if i is None else CLASSES[PROBABILITIES[i].argmax()] for i in positions]
    error = ["cannot be decoded as a picture" if i is None else "" for i in positions]
    return {
        "label": np.array(label, np.str_),
        "score": probabilities.max(1, initial=0.0),
        "probabilities": probabilities,
        "error": np.array(error, np.str_),
    }


def sound():
    """What the probe answers of a sound model."""
    good = mixed_batch(PICTURES)[1]
    return {
        "load_seconds": 1.5,
        "latency_ms": {"1": 20.0, "32": 100.0},
        "memory_mb": {"loaded": 650.4, "answering": 1200.4},
        "huge_seconds": 2.5,
        "failed": {},
        "no_json": None,
        "alone": outputs(range(5)),
        "batched": outputs(range(5)),
        "mixed": outputs([each for i in good for each in (i, None)]),
        "bad": outputs([None] * 3),
        "empty": outputs([]),
        "huge": outputs(huge_batch([40] * 5)),
        "prepared": {"probabilities": PROBABILITIES[PREPARED]},
    }


def judged(answer, inside=CLEAN, **limits):
    return judge(answer, EXPECTED, PICTURES, PREPARED, 1e-5, inside, NO_LIMITS | limits)


def failed(verdict):
    assert verdict["passed"] == all(each["passed"] for each in verdict["checks"])
    found = {each["name"]: each["sentence"] for each in verdict["checks"] if not each["passed"]}
    assert not found or list(found.values()) == verdict["reasons"]
    return found


def test_a_sound_model_passes_with_figures():
    verdict = judged(sound())
    assert failed(verdict) == {}
    assert verdict["reasons"] == [
        "a fresh process scores 5 original test pictures as the evaluation did, to within 0; at "
        "most 1e-05 is allowed; 3 pictures prepared as the training prepares them are scored as "
        "served, to within 0",
        "it loads in 1.5 s; a picture takes 20 ms, 32 at once 100 ms; the process takes at most "
        "1200 MB, 650 MB of it once the model is loaded",
        "an unreadable picture is marked and its neighbours are answered as alone; an empty batch "
        "is answered with nothing; 256 at once are answered as alone, in 2.5 s; its answers can be "
        "told in JSON; no Python function is in it; no path of this machine is in it",
    ]
    assert verdict["max_difference"] == 0
    assert verdict["huge_batch"] == {"images": 256, "seconds": 2.5}


def test_large_figures_are_written_out():
    slow = {**sound(), "latency_ms": {"1": 999.7, "32": 2523.4}}
    assert "a picture takes 1000 ms, 32 at once 2523 ms" in judged(slow)["reasons"][1]


def test_a_model_that_does_not_answer_is_still_looked_into():
    verdict = judged({"error": "ValueError: broken"}, {"python": ["node (PyFunc)"], "paths": []})
    assert verdict["reasons"] == [
        "in a fresh process the exported model does not answer: ValueError: broken",
        "it calls Python, which no server has: node (PyFunc)",
    ]
    assert [each["name"] for each in verdict["checks"]] == ["loads", "no_python", "no_paths"]
    assert verdict["load_seconds"] is verdict["memory_mb"] is verdict["huge_batch"] is None


def set_(batch, name, i, value):
    def change(answer):
        answer[batch][name][i] = value

    return change


def fail(batch):
    def change(answer):
        del answer[batch]
        answer["failed"][batch] = "InvalidArgumentError: cannot"

    return change


def drop_error(answer):
    for batch in answer.values():
        if isinstance(batch, dict):
            batch.pop("error", None)


def swallow(answer):
    answer["mixed"] = {name: value[::2] for name, value in answer["mixed"].items()}


def shift_huge(answer):
    answer["huge"] = {name: np.roll(value, 1, axis=0) for name, value in answer["huge"].items()}


@pytest.mark.parametrize(
    ("change", "name", "said"),
    [
        (
            set_("prepared", "probabilities", 1, [0.2, 0.3, 0.5]), "preprocessing",
            "1 of 3 test pictures are scored otherwise as served than prepared as the training "
            "prepares them, 2.jpg by",
        ),
        (set_("prepared", "probabilities", 0, np.nan), "preprocessing", "1.jpg by nan; at most"),
        (
            lambda a: a.update(prepared={"probabilities": PROBABILITIES[:2]}), "preprocessing",
            "3 prepared pictures give probabilities of shape [2, 3]",
        ),
        (fail("prepared"), "preprocessing", "cannot be scored: InvalidArgumentError: cannot; exp"),
        (fail("mixed"), "bad_pictures", "beside good ones fail their whole batch: Invalid"),
        (fail("bad"), "bad_pictures", "by themselves fail their whole batch: Invalid"),
        (drop_error, "bad_pictures", "cannot be marked: there is no output error"),
        (swallow, "bad_pictures", "6 pictures, unreadable ones beside good ones, give shapes"),
        (set_("mixed", "error", 3, ""), "bad_pictures", "(18 bytes that begin with b'this')"),
        (set_("mixed", "label", 1, "ant"), "bad_pictures", "comes back with the label 'ant'"),
        (set_("mixed", "score", 5, 0.5), "bad_pictures", "comes back with the score 0.5"),
        (set_("bad", "error", 0, ""), "bad_pictures", "(0 bytes) sent by themselves"),
        (set_("bad", "probabilities", 2, 0.1), "bad_pictures", "probabilities other than 0"),
        (set_("mixed", "error", 2, "no"), "bad_pictures", "1.jpg with 'no'"),
        (
            set_("mixed", "probabilities", 0, 0.2), "bad_pictures",
            "sent beside unreadable ones, 1 of 3 test pictures are scored otherwise than alone",
        ),
        (fail("empty"), "empty_batch", "an empty batch fails: Invalid"),
        (lambda a: a.update(empty=outputs([0])), "empty_batch", "give label of shape [1]"),
        (fail("huge"), "huge_batch", "a batch of 256 fails: Invalid"),
        (shift_huge, "huge_batch", "sent 256 at once, 255 of 256 test pictures are scored other"),
        (lambda a: a.update(no_json="a NaN"), "json", "cannot tell an answer in JSON: a NaN"),
    ],
)  # fmt: skip
def test_each_break_is_caught_by_its_own_check(change, name, said):
    answer = copy.deepcopy(sound())
    change(answer)
    found = failed(judged(answer))
    assert set(found) == {name}
    assert said in found[name]


def test_what_lies_in_the_model_is_named_and_counted():
    paths = [f"/tmp/{i} (in saved_model.pb)" for i in range(5)]
    assert failed(judged(sound(), {"python": ["a (PyFunc)"], "paths": paths})) == {
        "no_python": "it calls Python, which no server has: a (PyFunc)",
        "no_paths": f"it holds paths of this machine: {', '.join(paths[:3])} and 2 more",
    }


@pytest.mark.parametrize(
    ("limit", "value", "name", "said"),
    [
        ("max_load_seconds", 1.4, "loads", "it loads in 1.5 s; serving.max_load_seconds allows"),
        ("max_memory_mb", 1200, "memory", "at most 1200 MB; serving.max_memory_mb allows 1200"),
        ("max_latency_ms", 19.9, "latency", "takes 20 ms; serving.max_latency_ms allows 19.9"),
    ],
)
def test_a_limit_is_held(limit, value, name, said):
    sentence = failed(judged(sound(), **{limit: value}))[name]
    assert said in sentence
    assert "busy? delete this verdict's folder, or change the key, and run again" in sentence
    assert failed(judged(sound(), **{limit: value * 1.2})) == {}


@pytest.mark.parametrize("lost", ["label", "score", "probabilities"])
def test_an_output_that_is_not_there_is_a_reason_and_no_crash(lost):
    answer = sound()
    for batch in ("alone", "batched", "mixed", "bad", "empty", "huge"):
        del answer[batch][lost]
    found = failed(judged(answer))
    assert f"give no {lost}" in found["equal"]
    assert f"there is no output {lost}" in found["bad_pictures"]


@pytest.mark.parametrize("name", ["label", "score", "probabilities", "error"])
def test_an_output_without_rows_is_a_reason_and_no_crash(name):
    answer = sound()
    for batch in ("alone", "batched", "mixed", "bad", "empty", "huge"):
        answer[batch][name] = answer[batch][name].dtype.type()  # a scalar
        answer[batch][name] = np.array(answer[batch][name])
    assert {"equal", "bad_pictures", "empty_batch", "huge_batch"} <= set(failed(judged(answer)))
