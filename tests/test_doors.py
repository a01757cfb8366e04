"""Public doors refuse what they cannot take with an error of fpsde that says what to give."""

import numpy as np
import pytest
from scipy import stats

import fpsde
from fpsde import checks
from fpsde.errors import FpsdeError

OWN = fpsde.Process(drift=lambda x: -x, sigma=lambda x: 1.0, name="own")
X = np.random.default_rng(1).normal(size=1000)


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        (lambda: fpsde.FokkerPlanck(OWN, (-6, 6)), r"Grid\.uniform"),
        (lambda: fpsde.FokkerPlanck("ornstein_uhlenbeck", fpsde.Grid.uniform((-6, 6), cells=10)), "takes a Process"),
        (lambda: checks.density(X, stats.norm()), r"fpsde\.FrozenLaw"),
        (lambda: checks.density(X, "normal"), "is not a law"),
        (lambda: checks.distinct(X, stats.norm()), r"fpsde\.FrozenLaw"),
        (lambda: fpsde.Mixture([1.0], fpsde.Point(0.0)), "a list with a law for each weight"),
        (lambda: OWN.kernel_source("euler_maruyama"), "is not a scheme"),
        (lambda: fpsde.simulate(OWN, "em", x0=0.0, t_end=1.0, dt=0.1, n_particles=1, seed=1), "a Process and a Scheme"),
        (lambda: fpsde.Process(drift=lambda x: x * np.random.rand(), sigma=lambda x: 1.0), "without random numbers"),
        (lambda: fpsde.process_named("browniam"), "did you mean 'brownian"),
        (lambda: fpsde.scheme_law(OWN, fpsde.euler_maruyama, x0=0.0, t_end=1e3, dt=10.0), "take a smaller dt"),
    ],
)
def test_a_wrong_argument_gets_an_error_that_says_what_to_give(call, advice) -> None:
    with pytest.raises(FpsdeError, match=advice):
        call()


def test_a_scipy_law_is_taken_when_it_is_wrapped() -> None:
    assert checks.density(X, fpsde.FrozenLaw(stats.norm()), alpha=1e-9).verdict is checks.Verdict.PASS


def test_an_unknown_public_name_offers_the_nearest() -> None:
    with pytest.raises(AttributeError, match="did you mean 'simulate'"):
        fpsde.simulat  # noqa: B018
