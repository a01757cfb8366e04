"""What is predicted of noisy data: every kind gives every other; the posterior is that of Gaussian conditioning."""

import itertools

import numpy as np
import pytest

import fpsde
from fpsde import Prediction
from fpsde.errors import InvalidInput
from fpsde.signal_and_noise import NoiseStep, data_of, posterior_mean, posterior_variance, prediction_of

SCHEDULES = {
    "preserving": fpsde.cosine_schedule(12),
    "exploding": fpsde.karras_schedule(12),
    "sub-preserving": fpsde.sub_variance_preserving_schedule(np.linspace(0.1, 1, 12)),
}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(("kind", "other"), list(itertools.permutations(Prediction, 2)))
def test_every_kind_of_prediction_gives_every_other(name, kind, other, seed) -> None:
    x, value = np.random.default_rng(seed).normal(size=(2, 5))
    for t in (1, 6, 11):
        at = {"signal": SCHEDULES[name].signals[t], "level": SCHEDULES[name].levels[t]}
        there = prediction_of(other, data_of(kind, value, x, **at), x, **at)
        back = prediction_of(kind, data_of(other, there, x, **at), x, **at)
        size = 1 + np.abs(data_of(kind, value, x, **at)).max() * max(1.0, at["signal"] / at["level"] ** 2)
        np.testing.assert_allclose(back, value, atol=1e-14 * size)


def test_predictions_of_a_known_draw_are_what_it_was_made_of() -> None:
    """x = 0.6 x0 + 0.8 z with x0 = 2, z = -1.5: v = 0.6 z - 0.8 x0, the score is -z/0.8."""
    x0, z, at = 2.0, -1.5, {"signal": 0.6, "level": 0.8}
    x = 0.6 * x0 + 0.8 * z
    made = {
        Prediction.DATA: x0,
        Prediction.NOISE: z,
        Prediction.VELOCITY: 0.6 * z - 0.8 * x0,
        Prediction.SCORE: -z / 0.8,
    }
    for kind, value in made.items():
        assert data_of(kind, value, x, **at) == pytest.approx(x0, rel=1e-14)
        assert prediction_of(kind, x0, x, **at) == pytest.approx(value, rel=1e-14)
        assert data_of(kind, value + 0.1, x, **at) != pytest.approx(x0, rel=1e-3)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_posterior_is_that_of_two_jointly_normal_variables(name) -> None:
    """x' = a' x0 + s' z and x = (a/a') x' + sqrt(fresh) w: condition x' on x by their covariances."""
    for t in (2, 7, 12):
        step = SCHEDULES[name].step(t)
        ratio = step.signal / step.next_signal
        covariance, variance = ratio * step.next_level**2, ratio**2 * step.next_level**2 + step.fresh
        assert variance == pytest.approx(step.level**2, rel=1e-12)
        x, x0 = 0.7, -1.3
        gain = covariance / variance
        mean = step.next_signal * x0 + gain * (x - step.signal * x0)
        assert posterior_mean(x, x0, step) == pytest.approx(mean, rel=1e-11)
        assert posterior_variance(step) == pytest.approx(step.next_level**2 - gain * covariance, rel=1e-8)
        off = step._replace(fresh=1.01 * step.fresh)
        assert posterior_mean(x, x0, off) != pytest.approx(mean, rel=1e-5)
        assert posterior_variance(off) != pytest.approx(step.next_level**2 - gain * covariance, rel=1e-3)


def test_the_last_step_ends_in_the_data() -> None:
    step = fpsde.linear_schedule().step(1)
    assert (posterior_mean(0.3, -1.3, step), posterior_variance(step)) == (pytest.approx(-1.3, rel=1e-14), 0.0)


def test_a_kind_that_is_none_is_refused() -> None:
    given = NoiseStep(0.6, 0.8, 0.8, 0.6, 0.1)
    for function in (data_of, prediction_of):
        with pytest.raises(InvalidInput, match=r"'eps' is no kind of prediction; give one of Prediction.DATA, Pred"):
            function("eps", 0.1, 0.2, signal=given.signal, level=given.level)
