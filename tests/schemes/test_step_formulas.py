"""Each step, compiled and as array code, against the formula of its paper on the same normals."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from bare_kernels import LANES, one_step
from bare_processes import MODELS, WEIGHTS, between, mixture_score, ou

from fpsde.domain import Wall
from fpsde.errors import InvalidInput
from fpsde.processes import additive_time_dependent
from fpsde.processes.process import Process
from fpsde.processes.statement import ITO, KINETIC, STRATONOVICH
from fpsde.schemes import SCHEMES, Scheme, ddpm_step, euler_maruyama, exact_sampling, milstein, scheme_named
from fpsde.schemes.array_models import ArrayModel
from fpsde.schemes.scheme import Orders
from fpsde.schemes.tracing import constant_rows, traced_step
from fpsde.symbolic import components

TIMES = np.array([0.0, 0.1, 0.13, 0.4])  # not uniform
BETAS = np.array([0.1, 0.3, 0.2])


def em(x, mu, sigma, dt, z):
    return x + mu * dt + sigma * np.sqrt(dt) * z


def mil(x, mu, sigma, slope, dt, z):
    return em(x, mu, sigma, dt, z) + 0.5 * sigma * slope * (dt * z**2 - dt)


def parameters(p):
    return SimpleNamespace(**{name: np.array(value)[:, None] for name, value in p.items()})


def scores(x):
    p = parameters(WEIGHTS)
    a = -0.5 * ((x - p.m) / p.s) ** 2
    shares = p.w / p.s * np.exp(a)
    return np.sum(shares * (p.m - x) / p.s**2, axis=0) / np.sum(shares, axis=0)


def noisy(interpretation):
    return Process(drift=lambda x: -x, sigma=lambda x: 0.3 + 0.2 * np.sin(x), interpretation=interpretation)


def slope_of_noisy(x):
    return (0.3 + 0.2 * np.sin(x)) * 0.2 * np.cos(x)


NOISING = Process(
    drift=lambda x, t, p: -0.5 * p.beta * x,
    sigma=lambda x, p: np.sqrt(p.beta),
    tables={"beta": BETAS},
    rate=lambda t, p: p.beta,
)
CONTINUOUS = Process(
    drift=lambda x, t: -0.5 * (0.1 + t) * x, sigma=lambda x, t: np.sqrt(0.1 + t), rate=lambda t: 0.1 + t
)
#: name: (scheme, process, x' by the formula of (x, t, dt, z, s))
CASES = {
    "em, linear": (euler_maruyama, ou(), lambda x, t, dt, z, s: em(x, 1.3 * (0.4 - x), 0.7, dt, z)),
    "em, double well": (
        euler_maruyama,
        Process(drift=lambda x: -4 * x * (x**2 - 1), sigma=lambda x: 0.7),
        lambda x, t, dt, z, s: em(x, -4 * x**3 + 4 * x, 0.7, dt, z),
    ),
    "em, time": (
        euler_maruyama,
        Process(drift=lambda x, t: np.sin(3 * t) - np.sin(x), sigma=lambda x, t: np.exp(-t) * np.tanh(x)),
        lambda x, t, dt, z, s: em(x, np.sin(3 * t) - np.sin(x), np.exp(-t) * np.tanh(x), dt, z),
    ),
    "em, score": (
        euler_maruyama,
        Process(drift=lambda x, p: mixture_score(x, p), sigma=lambda x: np.sqrt(2.0), params=WEIGHTS),
        lambda x, t, dt, z, s: em(x, scores(x), np.sqrt(2), dt, z),
    ),
    "em, Stratonovich": (
        euler_maruyama,
        noisy(STRATONOVICH),
        lambda x, t, dt, z, s: em(x, -x + 0.5 * slope_of_noisy(x), 0.3 + 0.2 * np.sin(x), dt, z),
    ),
    "em, kinetic": (
        euler_maruyama,
        noisy(KINETIC),
        lambda x, t, dt, z, s: em(x, -x + slope_of_noisy(x), 0.3 + 0.2 * np.sin(x), dt, z),
    ),
    "milstein": (
        milstein,
        noisy(ITO),
        lambda x, t, dt, z, s: mil(x, -x, 0.3 + 0.2 * np.sin(x), 0.2 * np.cos(x), dt, z),
    ),
    "milstein, geometric": (
        milstein,
        Process(drift=lambda x: 0.1 * x, sigma=lambda x: 0.5 * x),
        lambda x, t, dt, z, s: mil(x, 0.1 * x, 0.5 * x, 0.5, dt, z),
    ),
    "em, table": (euler_maruyama, NOISING, lambda x, t, dt, z, s: em(x, -0.5 * BETAS[s] * x, np.sqrt(BETAS[s]), dt, z)),
    "ddpm, table": (
        ddpm_step,
        NOISING,
        lambda x, t, dt, z, s: np.sqrt(1 - BETAS[s] * dt) * x + np.sqrt(BETAS[s] * dt) * z,
    ),
    "ddpm, rate": (
        ddpm_step,
        CONTINUOUS,
        lambda x, t, dt, z, s: np.sqrt(1 - (0.1 + t) * dt) * x + np.sqrt((0.1 + t) * dt) * z,
    ),
    # sqrt(1 + t) X_t is Brownian motion with drift
    "exact, time": (
        exact_sampling,
        additive_time_dependent(0.8, 0.5),
        lambda x, t, dt, z, s: (np.sqrt(1 + t) * x + 0.5 * (dt + 0.8 * np.sqrt(dt) * z)) / np.sqrt(1 + t + dt),
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("dtype", "digits"), [("float64", 2e-15), ("float32", 2e-6)])
def test_the_compiled_step_is_the_formula(name, dtype, digits, seed):
    scheme, process, formula = CASES[name]
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=LANES).astype(dtype).astype(float), rng.normal(size=LANES).astype(dtype).astype(float)
    for s in range(3):
        found = one_step(scheme, process, x, z[None], times=TIMES, s=s, dtype=dtype)[0]
        np.testing.assert_allclose(
            found, formula(x, TIMES[s], TIMES[s + 1] - TIMES[s], z, s), rtol=digits, atol=4 * digits
        )


@pytest.mark.parametrize("name", [name for name in CASES if "table" not in name])
def test_the_same_step_runs_as_array_code(name, seed):
    scheme, process, formula = CASES[name]
    rng = np.random.default_rng(seed)
    x, z, t, dt = rng.normal(size=100), rng.normal(size=100), 0.1, 0.03
    noise = SimpleNamespace(dw=components([np.sqrt(dt) * z]), z=components([z]))
    found = scheme.step(ArrayModel(process), components([x]), t, dt, noise)
    assert found.shape == (1,)
    np.testing.assert_allclose(found[0], formula(x, t, dt, z, None), rtol=2e-15, atol=4e-15)


def test_array_code_reads_tables_by_steps_of_unit_time(seed):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=100), rng.normal(size=100)
    for scheme in (ddpm_step, euler_maruyama):
        for s in range(3):
            noise = SimpleNamespace(dw=components([z]), z=components([z]))
            found = scheme.step(ArrayModel(NOISING), components([x]), float(s), 1.0, noise)[0]
            formula = CASES["ddpm, table" if scheme is ddpm_step else "em, table"][2]
            np.testing.assert_allclose(found, formula(x, s, 1.0, z, s), rtol=2e-15, atol=4e-15)


def test_a_step_in_two_dimensions_with_three_channels_is_the_formula(seed):
    scheme, process, _, _ = MODELS["two dimensions"]
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, LANES)), rng.normal(size=(3, LANES))
    t, dt = TIMES[1], TIMES[2] - TIMES[1]
    drift = np.array([x[1], -0.6 * x[1] - np.sin(x[0]) + 0.1 * t])
    sigma = np.array(
        [[0.3 + 0 * x[0], 0 * x[0], 0.1 + 0 * x[0]], [0.2 * np.tanh(x[0]), 0.6 + 0 * x[0], 0.05 + 0 * x[0]]]
    )
    exact = x + drift * dt + np.einsum("ijn,jn->in", sigma, z) * np.sqrt(dt)
    np.testing.assert_allclose(one_step(scheme, process, x, z, times=TIMES, s=1), exact, rtol=2e-15, atol=8e-15)
    arrays = scheme.step(
        ArrayModel(process), components(list(x)), t, dt, SimpleNamespace(dw=components(list(np.sqrt(dt) * z)))
    )
    np.testing.assert_allclose(np.stack(list(arrays)), exact, rtol=2e-15, atol=8e-15)


@pytest.mark.parametrize("interpretation", [STRATONOVICH, KINETIC])
def test_milstein_on_diagonal_noise_in_two_dimensions_is_the_formula_by_components(interpretation, seed):
    process = Process(
        drift=lambda x: (-x[0], -x[1]),
        sigma=lambda x: (0.5 * x[0], 0.2 + 0.1 * np.sin(x[1])),
        dim=2,
        interpretation=interpretation,
    )
    rng = np.random.default_rng(seed)
    x, z, dt = rng.normal(size=(2, LANES)), rng.normal(size=(2, LANES)), TIMES[1]
    sigma, slope = np.array([0.5 * x[0], 0.2 + 0.1 * np.sin(x[1])]), np.array([0.5 + 0 * x[0], 0.1 * np.cos(x[1])])
    exact = mil(x, -x + (0.5 if interpretation is STRATONOVICH else 1.0) * sigma * slope, sigma, slope, dt, z)
    np.testing.assert_allclose(one_step(milstein, process, x, z, times=TIMES), exact, rtol=2e-15, atol=8e-15)


@pytest.mark.parametrize("name", CASES)
def test_the_expanded_step_is_the_staged_one(name, seed):
    """Exact laws read the expanded form: state, normals and constants alone."""
    scheme, process, formula = CASES[name]
    step = traced_step(scheme, process)
    (e,) = step.expanded
    row = dict(zip(step.constants, constant_rows(process, TIMES)[1], strict=True))
    assert e.free_symbols <= {*step.state, *step.normals, *step.constants}
    found = float(e.xreplace({**row, step.state[0]: 0.3, step.normals[0]: -1.2}).evalf())
    assert found == pytest.approx(float(formula(np.array([0.3]), TIMES[1], TIMES[2] - TIMES[1], -1.2, 1)[0]), rel=1e-13)


# --- what a scheme asks of a process


@pytest.mark.parametrize("process", [ou(), MODELS["two dimensions"][1]])
def test_the_noising_step_needs_a_rate(process):
    with pytest.raises(
        InvalidInput, match=r"process states no noise rate beta\(t\); this scheme needs a variance-preserving process"
    ):
        traced_step(ddpm_step, process)
    with pytest.raises(InvalidInput, match="states no noise rate"):
        ArrayModel(process).rate(0.0)


@pytest.mark.parametrize(
    "sigma",
    [
        lambda x: ((1.0, x[0]), (0.0, 1.0)),
        lambda x: (x[1], 1.0),
        lambda x: ((x[1], 0.0), (0.0, x[0])),
    ],
    ids=["a Levy area", "of a foreign component", "crossed"],
)
def test_milstein_needs_noise_that_commutes(sigma):
    process = Process(drift=lambda x: (-x[0], -x[1]), sigma=sigma, dim=2)
    with pytest.raises(InvalidInput, match="milstein takes commutative noise; that of process is general"):
        traced_step(milstein, process)


def test_a_table_must_have_one_entry_for_each_step():
    with pytest.raises(
        InvalidInput, match=r"table 'beta' of process has 3 entries, the run 4 steps; they must be equal"
    ):
        constant_rows(NOISING, np.arange(5.0))


def test_schemes_are_found_by_name():
    assert {euler_maruyama, milstein, ddpm_step} <= {scheme_named(name) for name in SCHEMES}
    assert all(scheme.name == name for name, scheme in SCHEMES.items())
    with pytest.raises(InvalidInput, match=r"unknown scheme 'milstien': did you mean 'milstein'\?"):
        scheme_named("milstien")


def test_a_scheme_states_its_order_or_that_it_claims_none():
    walled = ou(domain=between(Wall.REFLECTING))
    assert euler_maruyama.weak_order(walled) == ddpm_step.weak_order(ou()) == 1.0
    with pytest.raises(
        InvalidInput, match="claims no weak order for scalar, diagonal, commutative, general noise; its conditions: a v"
    ):
        ddpm_step.weak_order(noisy(ITO))
    with pytest.raises(InvalidInput, match=r"claims no weak order for additive, .* noise at a wall"):
        ddpm_step.weak_order(walled)


def test_a_scheme_reads_parameters_of_every_shape():
    """``model.p`` is what a model function gets: arrays stay arrays."""
    process = Process(drift=lambda x, p: p.a[0] - x, sigma=lambda x: 1.0, params={"a": [2.0, 5.0], "k": 3.0})
    scheme = Scheme(
        name="reads",
        equation="",
        step=lambda model, x, t, dt, noise: x + model.p.a[1] * dt + model.p.k * noise.dw,
        inputs=euler_maruyama.inputs,
        convention="Itô",
        strong=None,
        weak=Orders(None, None, None),
        wall_order=None,
        conditions="",
        evaluations=0,
        source="",
    )
    z = np.linspace(-1, 1, LANES)
    np.testing.assert_allclose(
        one_step(scheme, process, 0.25, z[None], times=TIMES)[0], 0.25 + 0.5 + 3 * np.sqrt(0.1) * z, rtol=1e-14
    )
