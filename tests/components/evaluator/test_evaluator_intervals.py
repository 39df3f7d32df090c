import numpy as np
import pytest
import scipy.stats

from components.evaluator import intervals as module
from components.evaluator.intervals import differences, draw, intervals, samples
from components.evaluator.metrics import METRICS, Judged, classification_metrics


def judged(seed, images, accuracy, classes=4):
    """Images of which about that share is found."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, images)
    wrong = random.random(images) > accuracy
    probabilities = random.random((images, classes))
    probabilities[np.arange(images), np.where(wrong, (labels + 1) % classes, labels)] += 2
    return Judged.of(labels, probabilities / probabilities.sum(1, keepdims=True))


def names(count):
    return [str(i) for i in range(count)]


def test_an_interval_of_accuracy_is_as_wide_as_the_binomial_distribution_says():
    found = judged(0, 400, 0.8)
    low, high = intervals(samples(found, draw(names(400), 0)))["accuracy"]
    hits = int((found.rank == 0).sum())
    expected = scipy.stats.binom(400, hits / 400).ppf([0.025, 0.975]) / 400
    assert (low, high) == pytest.approx(tuple(expected), abs=0.01)


def test_intervals_hold_the_truth_as_often_as_they_say():
    held = 0
    for seed in range(200):
        found = judged(seed, 150, 0.8)
        low, high = intervals(samples(found, draw(names(150), seed, 200)))["accuracy"]
        held += low <= 0.8 <= high
    # 190 of 200 are expected; beyond 4 standard deviations (3.1 each) something is wrong.
    assert 177 <= held <= 200


def test_every_metric_lies_in_its_interval():
    found = judged(1, 300, 0.7)
    ranges = intervals(samples(found, draw(names(300), 0)))
    # Of the calibration error the bootstrap sees more than there is: noise adds to a distance.
    assert set(ranges) == set(METRICS) - {"expected_calibration_error"}
    for name, (low, high) in ranges.items():
        assert low <= classification_metrics(found)[name] <= high


def test_copies_of_a_picture_make_no_interval_narrower():
    once = judged(2, 100, 0.8)
    copied = once.part(np.repeat(np.arange(100), 9))
    groups = np.repeat(names(100), 9)
    wide = intervals(samples(once, draw(names(100), 0)))["accuracy"]
    same = intervals(samples(copied, draw(groups, 0)))["accuracy"]
    narrow = intervals(samples(copied, draw(names(900), 0)))["accuracy"]
    assert same == pytest.approx(wide, abs=0.02)
    assert narrow[1] - narrow[0] < 0.5 * (wide[1] - wide[0])


def test_what_two_models_have_in_common_does_not_blur_their_difference():
    ours = judged(3, 500, 0.7)
    fixed = ours.part(np.arange(500))
    wrong = np.flatnonzero(fixed.rank > 0)[:10]
    fixed.rank[wrong] = 0  # the same model, but for ten mistakes less
    drawn = draw(names(500), 0)
    low, high = differences(samples(fixed, drawn), samples(ours, drawn))["accuracy"]
    assert 0 < low < 10 / 500 < high
    unpaired = differences(samples(fixed, drawn), samples(ours, draw(names(500), 1)))["accuracy"]
    assert unpaired[0] < 0


@pytest.mark.slow
def test_of_many_comparisons_none_is_called_worse_by_chance():
    """Two equally good models, label by label: what differs is noise."""
    refused = 0
    for seed in range(8):
        random, worse = np.random.default_rng(seed), 0
        for label in range(50):
            shared = random.random(20) < 0.05
            both = []
            for _ in range(2):
                found = judged(label, 20, 1.0)
                found.rank[:] = shared | (random.random(20) < 0.08)
                both.append(samples(found, draw(names(20), seed)))
            low, high = differences(*both, looks=50)["accuracy"]
            worse += high < 0
        refused += worse > 0
    assert refused <= 1


def test_equal_seeds_draw_alike():
    assert (draw(names(50), 7, 20) == draw(names(50), 7, 20)).all()
    assert (draw(names(50), 7, 20) != draw(names(50), 8, 20)).any()
    assert (draw(names(50), 7, 20).sum(axis=1) == 50).all()


def test_draws_that_hold_none_of_the_images_do_not_count():
    drawn = np.array([[0, 0], [1, 1], [2, 0]], np.uint16)
    found = samples(judged(4, 2, 1.0), drawn)
    assert np.isnan(found["accuracy"][0])
    assert intervals(found)["accuracy"] == (1.0, 1.0)


def test_what_does_not_fit_into_memory_at_once_is_counted_in_parts(monkeypatch):
    found, drawn = judged(5, 60, 0.8), draw(names(60), 0, 50)
    whole = samples(found, drawn)
    monkeypatch.setattr(module, "_AT_ONCE", 60 * 7)
    parts = samples(found, drawn)
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values)


def test_areas_that_would_take_too_long_are_left_out(monkeypatch):
    found, drawn = judged(6, 60, 0.8), draw(names(60), 0, 300)
    monkeypatch.setattr(module, "MOST_COUNTED", 60 * 4 * 250)
    assert len(samples(found, drawn)["roc_auc"]) == 250
    monkeypatch.setattr(module, "MOST_COUNTED", 60 * 4 * 150)
    assert "roc_auc" not in samples(found, drawn)
    assert "accuracy" in samples(found, drawn)
