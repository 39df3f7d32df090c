import numpy as np
import pytest
from scipy import special

from components.trainer.calibration import fit_temperature


def drawn(temperature, count=4000, classes=5):
    """Logits, and labels drawn from what they say at a temperature."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, [count, classes])
    shares = special.softmax(logits / temperature, axis=1)
    labels = [rng.choice(classes, p=share) for share in shares]
    return logits.astype(np.float32), np.array(labels, np.int32)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_the_labels_were_drawn_by_is_found(temperature):
    assert fit_temperature(*drawn(temperature)) == pytest.approx(temperature, rel=0.05)


def test_a_few_pictures_without_a_mistake_claim_no_certainty():
    logits = np.eye(3)[[0, 1, 2, 0, 1]] * 4
    temperature = fit_temperature(logits, np.array([0, 1, 2, 0, 1]))
    assert 0.5 < temperature < 1


def test_without_pictures_scores_stay():
    assert fit_temperature(np.zeros([0, 3]), np.zeros([0], int)) == 1
