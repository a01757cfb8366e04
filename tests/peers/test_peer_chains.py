"""Audits of third-party chains (sdeint, diffrax, blackjax, deeptime), each given an exact process; as they are."""

from __future__ import annotations

import numpy as np
import pytest

import fpsde
from fpsde import audit
from fpsde.audit import Quantity
from fpsde.checks import Verdict

blackjax = pytest.importorskip("blackjax")
deeptime_data = pytest.importorskip("deeptime.data")
diffrax = pytest.importorskip("diffrax")
jax = pytest.importorskip("jax")
jnp = jax.numpy
sdeint = pytest.importorskip("sdeint")

jax.config.update("jax_enable_x64", True)
H, T = 0.05, 1.0
MU, VOL = 0.3, 0.4


def geometric(interpretation=fpsde.ITO, vol=VOL):
    return fpsde.Process(
        drift=lambda x, p: p.mu * x,
        sigma=lambda x, p: p.vol * x,
        params={"mu": MU, "vol": vol},
        interpretation=interpretation,
        name="geometric",
    )


# --- sdeint: a system of n components, on increments that are handed in


@pytest.mark.parametrize(
    ("integrator", "scheme", "interpretation"),
    [(sdeint.itoEuler, fpsde.euler_maruyama, fpsde.ITO), (sdeint.stratHeun, fpsde.heun, fpsde.STRATONOVICH)],
)
def test_sdeint_on_geometric_brownian_motion(integrator, scheme, interpretation) -> None:
    def step(x, i, z):
        times, dw = np.array([i * H, (i + 1) * H]), np.sqrt(H) * z[None]
        return integrator(lambda y, t: MU * y, lambda y, t: np.diag(VOL * y), x, times, dW=dw)[-1]

    found = audit.step(step, audit.claim(geometric(interpretation), scheme, x0=1.2, t_end=T, dt=H), n=500)
    assert found.holds, str(found)
    other = audit.claim(geometric(interpretation, vol=1.001 * VOL), scheme, x0=1.2, t_end=T, dt=H)
    assert audit.step(step, other, n=500).quantity is Quantity.VARIANCE


# --- diffrax: whole runs, each particle with a key of its own


@pytest.mark.parametrize(
    ("solver", "scheme", "interpretation"),
    [
        (diffrax.Euler, fpsde.euler_maruyama, fpsde.ITO),
        (diffrax.ItoMilstein, fpsde.milstein, fpsde.ITO),
        (diffrax.EulerHeun, fpsde.euler_heun, fpsde.STRATONOVICH),
        (diffrax.Heun, fpsde.heun, fpsde.STRATONOVICH),
    ],
)
def test_diffrax_on_geometric_brownian_motion(solver, scheme, interpretation) -> None:
    drift = diffrax.ODETerm(lambda t, y, args: MU * y)

    def end(key):
        path = diffrax.VirtualBrownianTree(0.0, T, tol=H / 8, shape=(), key=key)
        terms = diffrax.MultiTerm(drift, diffrax.ControlTerm(lambda t, y, args: VOL * y, path))
        return diffrax.diffeqsolve(terms, solver(), 0.0, T, dt0=H, y0=1.2).ys[0]

    ends = jax.jit(jax.vmap(end))

    def run(n, seed):
        return np.asarray(ends(jax.random.split(jax.random.key(seed), n)))

    found = audit.run(run, audit.claim(geometric(interpretation), scheme, x0=1.2, t_end=T, dt=H), n=100_000)
    assert found.holds, str(found)
    other = audit.claim(geometric(interpretation, vol=1.05 * VOL), scheme, x0=1.2, t_end=T, dt=H)
    assert audit.run(run, other, n=100_000).verdict is Verdict.FAIL


# --- blackjax: samplers of exp(-V/kT) with the force of the well


KT = 0.5
WELL = fpsde.duffing_well(temperature=KT)


def log_density(x):
    return -(x**4 / 4 - x**2 / 2) / KT


def mala(key, x):
    made = blackjax.mala(log_density, KT * H)
    return made.step(key, made.init(x))[0].position


def sgld(key, x):
    made = blackjax.sgld(lambda y, batch: jax.grad(log_density)(y))
    return made.step(key, x, None, KT * H)


def run_of(algorithm, first):
    """Runs from ``first(n, seed)`` of x' = x + step grad log p + sqrt(2 step) z of step kT h, accepted or not."""

    def end(key, x):
        return jax.lax.scan(lambda x, own: (algorithm(own, x), None), x, jax.random.split(key, round(T / H)))[0]

    ends = jax.jit(jax.vmap(end))
    return lambda n, seed: np.asarray(ends(jax.random.split(jax.random.key(seed), n), first(n, seed)))


def test_sgld_of_blackjax_is_euler_and_maruyamas_step() -> None:
    run = run_of(sgld, lambda n, seed: np.full(n, 0.3))
    found = audit.run(run, audit.claim(WELL, fpsde.euler_maruyama, x0=0.3, t_end=T, dt=H), n=100_000)
    assert found.holds, str(found)
    other = audit.claim(fpsde.duffing_well(temperature=1.05 * KT), fpsde.euler_maruyama, x0=0.3, t_end=T, dt=H)
    assert audit.run(run, other, n=100_000).verdict is Verdict.FAIL


def test_mala_of_blackjax_keeps_the_law_of_the_well() -> None:
    law = WELL.exact.stationary()
    starts = law.ppf(np.random.default_rng(5).random(200_000))
    ends = run_of(mala, lambda n, seed: starts)(len(starts), 5)
    assert np.mean(ends == starts) < 0.01
    found = audit.sample(ends, law)
    assert found.holds, str(found)
    colder = fpsde.duffing_well(temperature=0.95 * KT).exact.stationary()
    assert audit.sample(ends, colder).verdict is Verdict.FAIL


# --- deeptime: its data sets are whole runs of Euler and Maruyama's scheme


def audited_deeptime(made, variance, *, theta, start, component=0):
    """One component of what deeptime simulates against dX = -theta X dt + sqrt(variance) dW."""
    system = made(h=H, n_steps=round(T / H))
    process = fpsde.ornstein_uhlenbeck(theta=theta, mean=0.0, sigma=np.sqrt(variance))
    claim = audit.claim(process, fpsde.euler_maruyama, x0=start[component], t_end=T, dt=H)
    return audit.run(
        lambda n, seed: system(np.tile(start, (n, 1)), seed=seed, n_jobs=1)[:, component], claim, n=100_000
    )


def test_deeptimes_ornstein_uhlenbeck_has_half_of_the_variance_of_its_text() -> None:
    """Its text says dX = -X dt + sqrt(2/4) dW; the factor of dW is 2/4, as if its root had been left out."""
    asked = {"theta": 1.0, "start": [2.0]}
    said = audited_deeptime(deeptime_data.ornstein_uhlenbeck, 0.5, **asked)
    assert (said.level, said.quantity) == ("exact law", Quantity.VARIANCE)
    found = audited_deeptime(deeptime_data.ornstein_uhlenbeck, 0.25, **asked)
    assert found.holds, str(found)


def test_deeptimes_double_well_has_a_quarter_of_the_temperature_that_it_names() -> None:
    """sigma = sqrt(kT/(2 m d)), as its text says: with the force -grad V that is the law of kT/4 where m d = 1."""
    asked = {"theta": 2.0, "start": [1.0, 0.5], "component": 1}
    found = audited_deeptime(deeptime_data.double_well_2d, 0.5, **asked)
    assert found.holds, str(found)
    thermal = audited_deeptime(deeptime_data.double_well_2d, 2.0, **asked)
    assert (thermal.level, thermal.quantity) == ("exact law", Quantity.VARIANCE)
