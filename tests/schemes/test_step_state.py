"""Steps that carry more than a position: auxiliary state, what observers see, a failure flag, and refinements."""

from __future__ import annotations

import numpy as np
import pytest
from bare_kernels import LANES, one_step, rows_of
from bare_processes import between, ou
from scipy import stats

from fpsde.density import Normal
from fpsde.domain import Wall
from fpsde.errors import InvalidInput
from fpsde.integrators import Moments, Snapshots, simulate
from fpsde.noise import Normals
from fpsde.processes.process import Process
from fpsde.schemes import Scheme, ddpm_step, euler_maruyama, leimkuhler_matthews
from fpsde.schemes.advance import Advance
from fpsde.schemes.inputs import DW, DW_I10, TWO_POINT
from fpsde.schemes.scheme import Orders
from fpsde.schemes.tracing import traced_step

ALPHA = 1e-8
PLAIN = {
    "equation": "",
    "convention": "Itô",
    "strong": None,
    "weak": Orders(None, None, None),
    "wall_order": None,
    "conditions": "",
    "evaluations": 1,
    "source": "",
}
#: The names are those that the printer gives to its own values: they must not meet.
AWKWARD = Scheme(
    name="awkward",
    step=lambda model, x, t, dt, noise, aux: Advance(
        x + np.exp(x) * aux["s"] + np.exp(x) * aux["u"] + aux["m"] * noise.dw,
        aux={"s": aux["s"] + 1, "u": aux["u"] + x, "m": aux["m"] * 2},
    ),
    inputs=(DW,),
    auxiliary=("s", "u", "m"),
    **PLAIN,
)


def flagged(condition):
    """Return a scheme x' = x + dW that fails where ``condition(x')`` holds."""
    return Scheme(
        name="flagged",
        step=lambda model, x, t, dt, noise: Advance(x + noise.dw, failed=condition(x + noise.dw)),
        inputs=(DW,),
        may_fail=True,
        **PLAIN,
    )


FLAGGED = flagged(lambda x: np.abs(x) > 2.0)  # of each component: one is enough


def harmonic(k=1.0, sigma=1.0):
    return Process(drift=lambda x, p: -p.k * x, sigma=lambda x, p: p.sigma, params={"k": k, "sigma": sigma})


def test_the_state_is_positions_then_auxiliary_then_seen_then_flag():
    step = traced_step(leimkuhler_matthews, harmonic())
    assert len(step.state) == len(step.outputs) == 3 and step.observed == 2 and not step.flagged
    assert traced_step(FLAGGED, harmonic()).flagged
    assert len({s.name for s in (*step.state, *step.normals, *step.constants)}) == 3 + 1 + 5


def test_a_step_with_auxiliary_state_is_the_formula(seed):
    rng = np.random.default_rng(seed)
    y, z, dt = rng.normal(size=LANES), rng.normal(size=(1, LANES)), 0.5
    state = np.array([y, rng.normal(size=LANES), np.zeros(LANES)])
    found = one_step(leimkuhler_matthews, harmonic(1.3, 0.8), state, z, times=[0.0, dt])
    place = y + 0.5 * 0.8 * np.sqrt(dt) * z[0]
    np.testing.assert_allclose(
        found, [y - 1.3 * place * dt + 0.8 * np.sqrt(dt) * z[0], place, place], rtol=1e-14, atol=1e-15
    )


def test_auxiliary_names_do_not_meet_those_of_the_printer(seed):
    z = np.random.default_rng(seed).normal(size=(1, LANES))
    found = one_step(AWKWARD, harmonic(), np.array([[0.1], [2.0], [3.0], [5.0]]), z, times=[0.0, 0.25])
    exact = [0.1 + 5 * np.exp(0.1) + 5 * 0.5 * z[0], np.full(LANES, 3.0), np.full(LANES, 3.1), np.full(LANES, 10.0)]
    np.testing.assert_allclose(found, exact, rtol=1e-14, atol=1e-14)


def relative_variance(scheme, seed, n=400_000):
    """Return the sample variance over kT/k of a harmonic well at h k = 1/2, after 60 steps, and its standard error."""
    process = harmonic(2.0, 0.6)
    run = simulate(process, scheme, x0=0.0, t_end=15.0, dt=0.25, n_particles=n, seed=seed, observers=[Moments()])
    assert run.moments[0].variance[0] == pytest.approx(np.var(run.x[0]), rel=1e-12)
    return run.moments[0].variance[0] / (0.36 / 4), np.sqrt(2 / n)


def test_the_leimkuhler_matthews_variance_is_exact_at_a_large_step_and_that_of_euler_is_not(seed):
    found, error = relative_variance(leimkuhler_matthews, seed)
    assert 2 * stats.norm.sf(abs(found - 1) / error) > ALPHA
    found, error = relative_variance(euler_maruyama, seed)
    assert 2 * stats.norm.sf(abs(found - 1) / error) < ALPHA
    assert 2 * stats.norm.sf(abs(found / (1 / (1 - 0.25)) - 1) / error) > ALPHA  # 1/(1 - h k/2)


def test_observers_see_the_observed_components_and_the_result_holds_them(seed):
    run = simulate(
        harmonic(),
        leimkuhler_matthews,
        x0=0.3,
        t_end=1.0,
        dt=0.5,
        n_particles=700,
        seed=seed,
        observers=[Snapshots([0.5, 1.0]), Snapshots([1.0], of=0)],
        normals=Normals.FLOAT64,
    )
    z = np.concatenate([rows_of(Normals.FLOAT64, range(2), seed=seed, first=512 * k) for k in range(2)], axis=1)[
        :, :700
    ]
    y, root = np.full(700, 0.3), np.sqrt(0.5)
    for k, time in enumerate((0.5, 1.0)):
        place = y + 0.5 * root * z[k]
        np.testing.assert_allclose(run.snapshot(time)[0], place, rtol=1e-14, atol=1e-15)
        y = y - place * 0.5 + root * z[k]
    np.testing.assert_array_equal(run.x, run.snapshot(1.0))
    np.testing.assert_array_equal(run.x, run.results[1][0][1])


def test_a_start_gives_the_auxiliary_state_of_each_particle(seed):
    scheme = Scheme(
        name="displacement",
        step=lambda model, x, t, dt, noise, aux: Advance(x + noise.dw, aux={"home": aux["home"], "push": aux["push"]}),
        inputs=(DW,),
        auxiliary=("push", "home"),
        start=lambda model, x, t: {"home": x, "push": model.drift(x, t)},
        observed=lambda x, aux: x - aux["home"] + 1000 * aux["push"],
        **PLAIN,
    )
    x0 = np.linspace(-1, 1, 1100)
    run = simulate(harmonic(2.0), scheme, x0=x0, t_end=1.0, dt=0.25, n_particles=1100, seed=seed)
    other = simulate(harmonic(2.0), scheme, x0=0.0, t_end=1.0, dt=0.25, n_particles=1100, seed=seed)
    np.testing.assert_allclose(run.x[0] - 1000 * (-2 * x0), other.x[0], atol=1e-12)


@pytest.mark.parametrize("scheme", [FLAGGED, flagged(lambda x: (x[0] > 2.0) | ~(x[0] >= -2.0))])
def test_a_particle_that_failed_once_is_counted_once(scheme, seed):
    times = np.arange(1, 41) * 0.1
    run = simulate(
        harmonic(), scheme, x0=0.0, t_end=4.0, dt=0.1, n_particles=5000, seed=seed, observers=[Snapshots(times)]
    )
    ever = np.any(np.stack([np.abs(x[0]) > 2.0 for _, x in run.snapshots]), axis=0)
    assert 0 < run.failed == np.count_nonzero(ever) < 5000
    assert simulate(harmonic(), euler_maruyama, x0=0.0, t_end=1.0, dt=0.1, n_particles=10, seed=seed).failed == 0


def test_a_failure_in_one_component_is_one_of_the_particle(seed):
    plane = Process(drift=lambda x: (0.0, 0.0), sigma=lambda x: (1.0, 1.0), dim=2)
    run = simulate(plane, FLAGGED, x0=0.0, t_end=1.0, dt=1.0, n_particles=2000, seed=seed)
    outside = np.abs(run.positions) > 2.0
    assert run.failed == np.count_nonzero(outside.any(axis=0)) > np.count_nonzero(outside.all(axis=0))


# --- refinement of the inputs of a whole step


def test_the_weights_of_a_step_are_blocks_of_its_inputs():
    both = Scheme(
        name="both", step=lambda model, x, t, dt, noise: x + noise.dw + noise.dw_i10[0][1], inputs=(DW, DW_I10), **PLAIN
    )
    step = traced_step(both, harmonic())
    w = step.coarsening(4)
    assert w.shape == (4, 3, 3)
    np.testing.assert_array_equal(w[:, :1, :1], DW.weights(4))
    np.testing.assert_array_equal(w[:, 1:, 1:], DW_I10.weights(4))
    assert not w[:, :1, 1:].any() and not w[:, 1:, :1].any()
    np.testing.assert_array_equal(step.coarsening(1), np.eye(3)[None])


@pytest.mark.parametrize(
    ("scheme", "process", "name"),
    [
        (ddpm_step, Process(drift=lambda x: -x, sigma=lambda x: 1.0, rate=lambda t: 2.0), "z"),
        (
            Scheme(name="weak", step=lambda model, x, t, dt, noise: x + noise.two_point, inputs=(TWO_POINT,), **PLAIN),
            ou(),
            "two_point",
        ),
        (euler_maruyama, ou(domain=between(Wall.ABSORBING)), "uniform"),
    ],
)
def test_an_input_without_a_refinement_refuses_one(scheme, process, name):
    step = traced_step(scheme, process)
    assert step.coarsening(1).shape[0] == 1
    with pytest.raises(InvalidInput, match=f"the random input '{name}' has no dt-refinement; refinement=4 must be 1"):
        step.coarsening(4)


def test_a_scheme_with_the_pair_of_integrals_has_the_law_of_both(seed):
    """x' = dW, y' = I10: after one step of a two-dimensional state their covariance is that of (W, int W)."""
    scheme = Scheme(
        name="pair",
        step=lambda model, x, t, dt, noise: np.array([x[0] + noise.dw_i10[0][0], x[1] + noise.dw_i10[0][1]]),
        inputs=(DW_I10,),
        **PLAIN,
    )
    process = Process(drift=lambda x: (0.0, 0.0), sigma=lambda x: ((1.0,), (0.0,)), dim=2)
    n, dt = 200_000, 0.5
    x, y = simulate(process, scheme, x0=(0.0, 0.0), t_end=dt, dt=dt, n_particles=n, seed=seed).x
    assert stats.kstest(x / np.sqrt(dt), Normal(0, 1).cdf).pvalue > ALPHA
    assert stats.kstest(y / np.sqrt(dt**3 / 3), Normal(0, 1).cdf).pvalue > ALPHA
    correlation = np.mean(x * y) / np.sqrt(dt * dt**3 / 3)
    assert abs(correlation - np.sqrt(3) / 2) < 6 * np.sqrt((1 + 3 / 4) / n)
