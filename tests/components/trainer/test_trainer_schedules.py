import numpy as np
import pytest

from components.trainer.schedules import WarmUp


def rates(peak, steps, *settings):
    rate = WarmUp(peak, steps, *settings)
    return np.array([float(rate(step)) for step in range(steps + 1)])


def test_the_rate_climbs_for_a_tenth_and_falls_to_zero():
    rate = rates(0.1, 50)
    np.testing.assert_allclose(rate[:5], [0.02, 0.04, 0.06, 0.08, 0.1], rtol=1e-5)
    assert (np.diff(rate[4:]) < 0).all()
    assert rate[50] == pytest.approx(0, abs=1e-8)


def test_a_constant_rate_climbs_and_stays():
    np.testing.assert_allclose(rates(0.1, 10, 0.3, "constant")[:5], [0.1 / 3, 0.2 / 3, *[0.1] * 3])


def test_without_a_warm_up_the_first_step_is_the_highest():
    assert rates(0.1, 10, 0.0)[0] == pytest.approx(0.1)


@pytest.mark.parametrize("steps", [1, 2, 3, 9])
def test_every_step_of_a_short_phase_learns(steps):
    rate = rates(0.1, steps)
    assert rate[0] == pytest.approx(0.1)
    assert (rate[:steps] > 0).all()
