"""Chains that leave their box or domain, and Milstein's fold: what leaks is in the result, or the law is refused."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from scipy.special import ndtr

from fpsde.density import Normal
from fpsde.domain import Interval
from fpsde.errors import NotConverged, UnstableStep
from fpsde.laws import scheme_law
from fpsde.processes import cox_ingersoll_ross, geometric_brownian, pearson
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama, milstein

NUMBER = r"([\d.]+(?:e[-+]\d+)?)"


def well(temperature: float) -> Process:
    return Process(
        drift=lambda x, t, p: -4 * x * (x**2 - 1),
        sigma=lambda x, t, p: np.sqrt(2 * p.kT),
        params={"kT": temperature},
        name="well",
    )


def escape_per_step(temperature: float, dt: float, low: float, high: float) -> float:
    """1 minus the largest eigenvalue of the transition operator on a box, by the trapezoid rule on a fixed grid."""
    x, h = np.linspace(low, high, 321, retstep=True)
    mean, std = x - 4 * x * (x**2 - 1) * dt, math.sqrt(2 * temperature * dt)
    matrix = h * np.exp(-0.5 * ((x[:, None] - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))
    matrix[[0, -1]] /= 2
    return 1 - float(np.abs(np.linalg.eigvals(matrix)).max())


@pytest.mark.parametrize(("temperature", "dt", "known"), [(0.25, 0.1, 4e-11), (1.0, 0.05, 9e-13)])
def test_a_small_leak_of_a_transient_chain_is_in_the_result(temperature, dt, known):
    n = 200
    found = scheme_law(well(temperature), euler_maruyama, x0=Normal(1.0, 0.2), t_end=n * dt, dt=dt)
    assert found.leak.total / n == pytest.approx(known, rel=0.06)
    assert found.leak.total / n == pytest.approx(escape_per_step(temperature, dt, *found.box), rel=0.06)
    assert found.leak.largest < 1e-10
    assert found.law.mass == pytest.approx(1, abs=1e-12)  # conditioned on not having left


def test_a_transient_chain_is_refused_with_its_leak_and_a_smaller_step_does():
    assert escape_per_step(1.0, 0.1, -2.5, 2.5) == pytest.approx(2.5e-4, rel=0.1)
    with pytest.raises(UnstableStep, match=r"well with dt=0\.1 leaks: .* Take a smaller dt .*try 0\.05") as error:
        scheme_law(well(1.0), euler_maruyama, x0=-1.0, t_end=10.0, dt=0.1)
    largest = float(re.search(rf"up to {NUMBER} leaves in a step", str(error.value))[1])
    total = float(re.search(rf"{NUMBER} in all steps", str(error.value))[1])
    assert 1e-4 < largest < 1e-3
    assert total / 100 == pytest.approx(2.5e-4, rel=0.3)
    assert scheme_law(well(1.0), euler_maruyama, x0=-1.0, t_end=10.0, dt=0.05).accuracy < 1e-12


@pytest.mark.parametrize("dt", [0.2, 0.5, 1.0])
def test_a_chain_that_explodes_is_refused(dt):
    with pytest.raises(UnstableStep, match=r"leaks|explodes"):
        scheme_law(well(0.25), euler_maruyama, x0=-1.0, t_end=10.0, dt=dt)


def test_the_leak_out_of_a_stated_box_is_that_of_the_box():
    process = Process(drift=lambda x, t, p: -x, sigma=lambda x, t, p: 1.0)
    box, dt = (-2.2, 2.15), 0.1
    law = scheme_law(process, euler_maruyama, x0=0.1, t_end=dt, dt=dt, box=box)
    mean, std = 0.1 * (1 - dt), math.sqrt(dt)
    leak = ndtr((box[0] - mean) / std) + ndtr((mean - box[1]) / std)
    assert law.leak.total == pytest.approx(leak, rel=1e-9)
    assert law.leak.largest == pytest.approx(leak, rel=1e-9)
    with pytest.raises(UnstableStep, match="leaks"):
        scheme_law(process, euler_maruyama, x0=0.1, t_end=1.0, dt=dt, box=(-1.5, 1.5))


def test_mass_that_leaves_the_domain_is_a_leak():
    x0, kappa, theta, sigma, dt = 0.12, 2.0, 0.8, 0.35, 0.05
    process = cox_ingersoll_ross(kappa=kappa, theta=theta, sigma=sigma)
    mean, std = x0 + kappa * (theta - x0) * dt, sigma * math.sqrt(x0 * dt)
    below_zero = float(ndtr(-mean / std))
    assert 1e-14 < below_zero < 1e-10
    found = scheme_law(process, euler_maruyama, x0=x0, t_end=dt, dt=dt)
    assert found.leak.total == pytest.approx(below_zero, rel=0.01)
    with pytest.raises(UnstableStep, match=r"cox_ingersoll_ross with dt=0\.05 leaks"):
        scheme_law(cox_ingersoll_ross(theta=1.0, sigma=1.2), euler_maruyama, x0=x0, t_end=1.0, dt=dt)


@pytest.mark.parametrize(
    ("process", "x0", "dt"),
    [
        (geometric_brownian(sigma=0.5), 1.0, 0.1),
        (geometric_brownian(sigma=2.0), 1.0, 0.5),
        (cox_ingersoll_ross(sigma=0.7), 1.0, 0.05),
        (pearson(), 0.3, 0.5),
    ],
    ids=["gbm", "wild gbm", "cir", "pearson"],
)
def test_milstein_within_reach_of_its_fold_is_refused_and_the_dt_that_is_named_works(process, x0, dt):
    with pytest.raises(NotConverged, match="beyond the fold") as error:
        scheme_law(process, milstein, x0=x0, t_end=1.0, dt=dt)
    named = float(re.search(rf"it works with dt={NUMBER}", str(error.value))[1])
    assert named < dt
    assert scheme_law(process, milstein, x0=x0, t_end=1.0, dt=named).accuracy < 1e-12


def test_the_fold_of_geometric_brownian_motion_is_where_theory_says():
    # z* = 1/(sigma sqrt(dt)) everywhere: out of reach at 8.4, within reach at 7.4
    for reach, refused in ((8.4, False), (7.4, True)):
        n = round(0.5**2 * reach**2)
        run = {"x0": 1.0, "t_end": 1.0, "dt": 1 / n}
        if refused:
            with pytest.raises(NotConverged, match="fold"):
                scheme_law(geometric_brownian(sigma=0.5), milstein, **run)
        else:
            assert scheme_law(geometric_brownian(sigma=0.5), milstein, **run).accuracy < 1e-12


def test_where_dt_cannot_be_made_small_enough_it_says_so():
    with pytest.raises(NotConverged, match=r"even dt=.* may be too large"):
        scheme_law(cox_ingersoll_ross(theta=1.0, sigma=1.2), milstein, x0=1.0, t_end=1.0, dt=0.01)


def test_noise_that_vanishes_inside_of_the_domain_is_refused():
    process = Process(drift=lambda x, t, p: -x, sigma=lambda x, t, p: x, domain=Interval(), name="unbounded")
    with pytest.raises(NotConverged, match="state the domain in which sigma is positive"):
        scheme_law(process, euler_maruyama, x0=0.0, t_end=1.0, dt=0.1)


def test_a_law_that_cannot_settle_is_refused_with_what_was_reached():
    process = Process(drift=lambda x, t, p: -np.sin(x), sigma=lambda x, t, p: 1.0)
    with pytest.raises(NotConverged, match=r"settled to .* nodes, not to tolerance=1e-18; allow tolerance="):
        scheme_law(process, euler_maruyama, x0=0.0, t_end=1.0, dt=0.1, tolerance=1e-18)
    with pytest.raises(NotConverged, match=r"needs \d+ nodes, of at most 40000"):
        scheme_law(process, euler_maruyama, x0=0.0, t_end=1.0, dt=1e-6, box=(-60.0, 60.0))
