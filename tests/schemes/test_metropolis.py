"""MALA: detailed balance of the traced step, by quadrature; nothing is sampled."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from bare_kernels import LANES, one_step
from bare_laws import run_text

from fpsde.errors import Unsuited
from fpsde.functions import where
from fpsde.printing import numpy_function
from fpsde.processes.black_box import BlackBox
from fpsde.processes.process import Process
from fpsde.schemes import Scheme, mala
from fpsde.schemes.advance import Advance
from fpsde.schemes.array_step import ArrayStep
from fpsde.schemes.inputs import DW, UNIFORM
from fpsde.schemes.tracing import constant_rows, traced_step
from fpsde.symbolic import components

DT = 0.15
TEMPERATURE = 0.6


def tilted_well(drift=lambda x: -(4 * x**3 - 4 * x + 0.3)):
    return Process(
        drift=drift,
        sigma=lambda x, p: np.sqrt(2 * p.temperature),
        params={"temperature": TEMPERATURE},
        energy=lambda x: (x**2 - 1) ** 2 + 0.3 * x,
    )


def target(x):
    return np.exp(-((x**2 - 1) ** 2 + 0.3 * x) / TEMPERATURE)


def without_the_proposals(model, x, t, dt, noise, aux):
    """The step with a planted error: it forgets that proposals are not symmetric."""
    y = x + model.drift(x, t) * dt + model.noise(x, t, noise.dw)
    accepted = np.log(noise.uniform[0]) < (model.energy(x, t) - model.energy(y, t)) / model.p.temperature
    moved = components([np.where(accepted, b, a) for a, b in zip(x, y, strict=True)])
    return Advance(moved, aux={"accepted": aux["accepted"] + np.where(accepted, 1.0, 0.0)})


PLANTED = Scheme(
    name="planted", equation="", step=without_the_proposals, inputs=(DW, UNIFORM), convention="Itô", strong=None,
    weak=None, wall_order=None, conditions="", evaluations=2, source="", scalars=("accepted",),
)  # fmt: skip


def rule_of(scheme, process, dt=DT):
    """Return (x, z) -> (proposal, probability of accepting it), read off the traced step in one dimension."""
    step = traced_step(scheme, process)
    moved, counted = step.expanded
    (choice,) = moved.atoms(where)
    condition, proposal, stays = choice.args
    assert stays == step.state[0] and counted == step.state[1] + where(condition, 1, 0)
    z, *uniform = step.normals
    log_uniform = -(uniform[0] ** 2 + uniform[1] ** 2) / 2
    assert isinstance(condition, sp.StrictLessThan) and sp.expand(condition.lhs - log_uniform) == 0
    assert not condition.rhs.free_symbols & set(uniform)
    row = constant_rows(process, np.array([0.0, dt]))[0]
    function = numpy_function([step.state[0], z, *step.constants], [proposal, condition.rhs])

    def rule(x, z):
        y, log_ratio = function(x, z, *row)
        return y, np.exp(np.minimum(log_ratio, 0.0))

    return rule


def flux(scheme, process, x, y, dt=DT):
    """Return target(x) q(y|x) alpha(x, y): the density of accepted moves from x to y."""
    root = np.sqrt(2 * TEMPERATURE * dt)
    mean, _ = rule_of(scheme, process, dt)(x, 0.0)
    z = (y - mean) / root
    proposal, accepted = rule_of(scheme, process, dt)(x, z)
    np.testing.assert_allclose(proposal, y, rtol=1e-12, atol=1e-12)
    return target(x) * np.exp(-(z**2) / 2) / root * accepted


def pairs(seed):
    return np.random.default_rng(seed).uniform(-1.6, 1.6, size=(2, 2000))


@pytest.mark.parametrize("drift", [lambda x: -(4 * x**3 - 4 * x + 0.3), lambda x: -np.tanh(x)], ids=["own", "foreign"])
def test_moves_and_moves_back_are_equally_frequent(drift, seed):
    x, y = pairs(seed)
    there, back = flux(mala, tilted_well(drift), x, y), flux(mala, tilted_well(drift), y, x)
    np.testing.assert_allclose(there, back, rtol=1e-9)


def test_a_missing_proposal_ratio_is_seen(seed):
    x, y = pairs(seed)
    with pytest.raises(AssertionError, match="Mismatched elements: 2000"):
        np.testing.assert_allclose(flux(PLANTED, tilted_well(), x, y), flux(PLANTED, tilted_well(), y, x), rtol=1e-9)


VALUES = {"x": lambda x: x, "x^2": lambda x: x**2, "cos 3x": lambda x: np.cos(3 * x)}


def moved_by_one_step(scheme):
    """Return int target(x) P(x, dy) f(y) for each f of ``VALUES``: expectations after a step from the target.

    By quadrature in x and in z, where the proposal is smooth; accepted and rejected moves are added up.
    """
    x, z = np.linspace(-3, 3, 601)[:, None], np.linspace(-8, 8, 3001)
    w = np.exp(-(z**2) / 2) / np.sum(np.exp(-(z**2) / 2))
    y, accepted = rule_of(scheme, tilted_well())(x, z)
    weight = target(x) / np.sum(target(x))
    return np.array([np.sum(weight * w * (accepted * f(y) + (1 - accepted) * f(x))) for f in VALUES.values()])


def test_a_step_from_the_target_stays_in_the_target():
    x = np.linspace(-3, 3, 601)
    exact = [np.sum(target(x) * f(x)) / np.sum(target(x)) for f in VALUES.values()]
    np.testing.assert_allclose(moved_by_one_step(mala), exact, atol=2e-6)  # the acceptance has a kink where it is 1
    assert np.all(np.abs(moved_by_one_step(PLANTED) - exact) > 1e-4)


def test_the_step_is_the_formula_with_a_preconditioner(seed):
    """Two components, each with a mobility of its own: sigma is diagonal and its entries differ."""
    mobility, kT, dt = np.array([1.0, 0.3])[:, None], 0.8, 0.2

    def energy(x, y):
        return 0.5 * x**2 * y**2 + 0.5 * y**2

    def slope(x):
        return np.array([x[0] * x[1] ** 2, x[0] ** 2 * x[1] + x[1]])

    process = Process(
        drift=lambda x, p: (-p.m[0] * x[0] * x[1] ** 2, -p.m[1] * (x[0] ** 2 * x[1] + x[1])),
        sigma=lambda x, p: (np.sqrt(2 * p.temperature * p.m[0]), np.sqrt(2 * p.temperature * p.m[1])),
        dim=2,
        params={"temperature": kT, "m": mobility[:, 0]},
        energy=lambda x: energy(*x),
    )
    rng = np.random.default_rng(seed)
    x, z = 1.5 * rng.normal(size=(2, LANES)), rng.normal(size=(4, LANES))
    state = np.array([*x, np.full(LANES, 5.0)])
    found = one_step(mala, process, state, z, times=[0.0, dt])
    variance = 2 * kT * mobility * dt
    y = x - mobility * slope(x) * dt + np.sqrt(variance) * z[:2]
    back = -np.sum((x - y + mobility * slope(y) * dt) ** 2 / (2 * variance), axis=0)
    there = -np.sum((y - x + mobility * slope(x) * dt) ** 2 / (2 * variance), axis=0)
    ratio = (energy(*x) - energy(*y)) / kT + back - there
    accepted = np.exp(-(z[2] ** 2 + z[3] ** 2) / 2) < np.exp(np.minimum(ratio, 0))
    assert 20 < accepted.sum() < LANES - 20
    np.testing.assert_allclose(found[:2], np.where(accepted, y, x), rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal(found[2], 5.0 + accepted)


def test_a_proposal_without_an_energy_is_rejected():
    """From far out the proposal of a superlinear drift overflows; the particle stays where it was."""
    step = traced_step(mala, tilted_well())
    row = constant_rows(tilted_well(), np.array([0.0, DT]))[0]
    with np.errstate(all="ignore"):
        found = run_text(step, row, np.array([[1e80, 0.5], [0.0, 0.0]]), np.array([[0.1, 0.1], [0.3, 3.0], [0.2, 3.0]]))
    assert found[0, 0] == 1e80 and found[1, 0] == 0 and found[1, 1] == 1


def test_a_black_box_takes_the_same_step(seed):
    box = BlackBox(
        drift=lambda x, t: -(4 * x**3 - 4 * x + 0.3),
        sigma=[np.sqrt(2 * TEMPERATURE)],
        dim=1,
        params={"temperature": TEMPERATURE},
        energy=lambda x, t: (x[0] ** 2 - 1) ** 2 + 0.3 * x[0],
    )
    rng = np.random.default_rng(seed)
    state, z = np.array([rng.normal(size=LANES), np.zeros(LANES)]), rng.normal(size=(3, LANES))
    found = ArrayStep(mala, box).advance(state, z, 0.0, DT)
    np.testing.assert_allclose(found, one_step(mala, tilted_well(), state, z, times=[0.0, DT]), rtol=1e-12, atol=1e-13)


# --- what is refused

ENERGY = {"energy": lambda x: x[0] ** 2 + x[1] ** 2, "dim": 2, "drift": lambda x: (-x[0], -x[1])}
UNSUITED = {
    "no energy": (
        Process(drift=lambda x: -x, sigma=lambda x: 1.0, params={"temperature": 1.0}),
        "states no energy",
    ),
    "no temperature": (
        Process(drift=lambda x: -x, sigma=lambda x: 1.0, energy=lambda x: x**2),
        "has not one number temperature among its parameters",
    ),
    "several temperatures": (
        Process(sigma=lambda x: (1.0, 1.0), params={"temperature": [1.0, 2.0]}, **ENERGY),
        "has not one number temperature",
    ),
    "multiplicative noise": (
        Process(drift=lambda x: -x, sigma=lambda x: x, energy=lambda x: x**2, params={"temperature": 1.0}),
        "takes additive noise",
    ),
    "correlated noise": (
        Process(sigma=lambda x: ((1.0, 0.5), (0.0, 1.0)), params={"temperature": 1.0}, **ENERGY),
        "a diagonal sigma without zeros is needed",
    ),
    "a component without noise": (
        Process(sigma=lambda x: (0.0, 1.0), params={"temperature": 1.0}, **ENERGY),
        "a diagonal sigma without zeros is needed",
    ),
    "one channel": (
        Process(sigma=lambda x: ((1.0,), (0.0,)), params={"temperature": 1.0}, **ENERGY),
        "a diagonal sigma without zeros is needed",
    ),
}


@pytest.mark.parametrize("name", UNSUITED)
def test_a_process_that_it_cannot_sample_is_refused(name):
    process, message = UNSUITED[name]
    with pytest.raises(Unsuited, match=message):
        traced_step(mala, process)
