"""Step by step beside independent implementations (torchsde, diffrax, sdeint), all on the same Brownian increments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sdeint
import torch
import torchsde
from bare_kernels import LANES, one_step
from bare_steps import inputs_of
from torchsde._core.methods import srk
from torchsde._core.methods.tableaus import sra3 as torchsde_sra3

from fpsde.processes.process import Process
from fpsde.processes.statement import STRATONOVICH
from fpsde.schemes import (
    euler_heun,
    euler_maruyama,
    heun,
    milstein,
    milstein_derivative_free,
    sra1,
    sra3,
    sriw1,
)
from fpsde.schemes.inputs import DW_I10
from fpsde.schemes.tableau import SRIW1
from fpsde.schemes.tracing import traced_step

jax.config.update("jax_enable_x64", True)

#: Three steps of a length that is exact in binary, so that every library is at the same times.
TIMES = 0.25 + 0.125 * np.arange(4)
DT = 0.125
CLOSE = {"rtol": 1e-12, "atol": 1e-13}


# --- one statement of each system, for NumPy, torch and jax: components in, components out


def drift(xp, x, t):
    return x[1] - 0.6 * x[0], xp.sin(x[0]) - x[1] + 0.3 * t


def additive(xp, x, t):
    return (0.3, 0.1, 0.0), (0.2, 0.6, 0.4)


def additive_in_time(xp, x, t):
    return (0.3, 0.1 + 0.5 * t, 0.0), (0.2 * t, 0.6, 0.4)


def diagonal(xp, x, t):
    return (0.4 + 0.2 * xp.sin(x[0]), 0.0), (0.0, 0.6 * xp.cos(x[1] + t))


def scalar(xp, x, t):
    return (0.5 * x[1] + 0.2 * t,), (xp.cos(x[0]),)


def scalar_gradient(xp, x, t):
    """A gradient: its matrix of derivatives is symmetric."""
    return (0.5 * x[1] + xp.sin(x[0]) + 0.2 * t,), (0.5 * x[0] - 0.3 * x[1],)


def commuting(xp, x, t):
    return (0.3 * x[0], -0.2 * x[1]), (0.3 * x[1], 0.2 * x[0])


def general(xp, x, t):
    return (0.3 * x[1], xp.sin(x[0]), 0.2 * t), (0.6 * x[0], 0.2 * x[1], xp.cos(x[0]))


def general_without_time(xp, x, t):
    return general(xp, x, 1.0)


@dataclass(frozen=True)
class Run:
    """Start (d, n), end (d, n) by fpsde, and what it was driven by: dW and I(1,0), each (steps, m, n)."""

    x0: np.ndarray
    end: np.ndarray
    dw: np.ndarray
    i10: np.ndarray


def run_of(scheme, noise, seed, **changes):
    """Return three compiled steps of a scheme."""
    process = Process(drift=lambda x, t: drift(np, x, t), sigma=lambda x, t: noise(np, x, t), dim=2, **changes)
    rng = np.random.default_rng(seed)
    x = start = rng.normal(size=(2, LANES))
    dw, i10 = [], []
    for s in range(3):
        z = rng.normal(size=(len(traced_step(scheme, process).normals), LANES))
        x = one_step(scheme, process, x, z, times=TIMES, s=s)
        inputs = inputs_of(scheme, process, z, DT)
        pairs = list(inputs.dw_i10) if scheme.inputs == (DW_I10,) else [(w, 0.0 * w) for w in inputs.dw]
        dw.append([w for w, _ in pairs])
        i10.append([i for _, i in pairs])
    return Run(start, x, np.array(dw), np.array(i10))


# --- torchsde


class GivenPath:
    """What torchsde asks of a Brownian motion, from increments (steps, m, n)."""

    levy_area_approximation = "space-time"
    dtype, device = torch.float64, torch.device("cpu")

    def __init__(self, run):
        self.w, self.u = (torch.tensor(np.swapaxes(values, 1, 2)) for values in (run.dw, run.i10))
        self.shape = self.w.shape[1:]

    def __call__(self, t0, t1, return_U=False, return_A=False):
        step = round((float(t0) - TIMES[0]) / DT)
        return (self.w[step], self.u[step]) if return_U else self.w[step]


def by_torchsde(run, noise, kind, *, convention, method, **options):
    def f(t, y):
        return torch.stack(drift(torch, y.T, t), dim=1)

    def g(t, y):
        rows = [[torch.as_tensor(v, dtype=y.dtype).expand(len(y)) for v in row] for row in noise(torch, y.T, t)]
        if kind == "diagonal":
            return torch.stack([rows[0][0], rows[1][1]], dim=1)
        return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)

    sde = SimpleNamespace(f=f, g=g, noise_type=kind, sde_type=convention)
    start, times = torch.tensor(run.x0.T), torch.tensor([TIMES[0], TIMES[-1]])
    ends = torchsde.sdeint(sde, start, times, bm=GivenPath(run), method=method, dt=DT, options=options)
    return ends[-1].detach().numpy().T


@pytest.mark.parametrize(
    ("scheme", "noise", "kind", "method"),
    [
        (euler_maruyama, general, "general", "euler"),
        (milstein, diagonal, "diagonal", "milstein"),
        # torchsde 0.2.6 sums sigma_l d(sigma_l)/dx_i in place of sigma_l d(sigma_i)/dx_l, which needs a gradient
        (milstein, scalar_gradient, "scalar", "milstein"),
        (milstein_derivative_free, scalar, "scalar", "milstein without derivatives"),
        (milstein_derivative_free, diagonal, "diagonal", "milstein without derivatives"),
        (sra1, additive_in_time, "additive", "srk"),
    ],
    ids=lambda value: getattr(value, "name", None) or getattr(value, "__name__", value),
)
def test_ito_steps_are_those_of_torchsde(scheme, noise, kind, method, seed):
    run = run_of(scheme, noise, seed)
    method, _, free = method.partition(" ")
    options = {"grad_free": bool(free)} if method == "milstein" else {}
    found = by_torchsde(run, noise, kind, convention="ito", method=method, **options)
    np.testing.assert_allclose(run.end, found, **CLOSE)


@pytest.mark.parametrize("noise", [general, diagonal])
@pytest.mark.parametrize("scheme", [euler_heun, heun], ids=lambda scheme: scheme.name)
def test_stratonovich_steps_are_those_of_torchsde(scheme, noise, seed):
    run = run_of(scheme, noise, seed, interpretation=STRATONOVICH)
    found = by_torchsde(run, noise, noise.__name__, convention="stratonovich", method=scheme.name)
    np.testing.assert_allclose(run.end, found, **CLOSE)
    by_ito = run_of(scheme, noise, seed).end
    assert np.max(np.abs(by_ito - found)) > 1e-3


def test_sra3_is_the_step_of_torchsde_with_its_table_of_that_name_but_for_one_sign(seed, monkeypatch):
    """torchsde ships a table SRA3 that it does not use. Its beta2 c1 is 1 where the order needs -1."""
    theirs = {name: getattr(torchsde_sra3, name) for name in ("STAGES", "C0", "C1", "A0", "B0", "alpha", "beta1")}
    right = SimpleNamespace(**theirs, beta2=[-v for v in torchsde_sra3.beta2])
    run = run_of(sra3, additive_in_time, seed)
    for table, agrees in ((right, True), (torchsde_sra3, False)):
        monkeypatch.setattr(srk, "sra1", table)
        found = by_torchsde(run, additive_in_time, "additive", convention="ito", method="srk")
        assert np.allclose(run.end, found, **CLOSE) is agrees


@pytest.mark.parametrize("noise", [diagonal, scalar])
def test_sriw1_is_the_step_of_torchsde_with_our_coefficients(noise, seed, monkeypatch):
    """torchsde has SRID2 of the same family; its step is the independent part here."""

    def numbers(value):
        return [numbers(v) for v in value] if isinstance(value, tuple) else float(value)

    def their_form(t):
        betas = {f"beta{k + 1}": numbers(row) for k, row in enumerate(t.beta)}
        parts = {"C0": t.c0, "C1": t.c1, "A0": t.A0, "A1": t.A1, "B0": t.B0, "B1": t.B1, "alpha": t.alpha}
        return SimpleNamespace(STAGES=len(t.alpha), **{k: numbers(v) for k, v in parts.items()}, **betas)

    run = run_of(sriw1, noise, seed)
    arguments = {"convention": "ito", "method": "srk"}
    srid2 = by_torchsde(run, noise, noise.__name__, **arguments)
    monkeypatch.setattr(srk, "srid2", their_form(SRIW1))
    np.testing.assert_allclose(run.end, by_torchsde(run, noise, noise.__name__, **arguments), **CLOSE)
    assert 1e-6 < np.max(np.abs(run.end - srid2)) < 0.5  # another scheme, on the same path


# --- diffrax


class GivenIncrements(diffrax.AbstractBrownianPath):
    """What diffrax asks of a Brownian path, from increments (steps, m) of one particle."""

    w: jax.Array
    i10: jax.Array
    levy_area: type = eqx.field(static=True, default=diffrax.SpaceTimeLevyArea)
    t0: float = TIMES[0]
    t1: float = TIMES[-1]

    def evaluate(self, t0, t1=None, left=True, use_levy=False):
        step = jnp.round((t0 - TIMES[0]) / DT).astype(int)
        w = self.w[step]
        return diffrax.SpaceTimeLevyArea(dt=DT, W=w, H=self.i10[step] / DT - w / 2) if use_levy else w


def by_diffrax(run, noise, solver):
    def one(x0, dw, i10):
        f = diffrax.ODETerm(lambda t, y, args: jnp.stack(drift(jnp, y, t)))
        g = diffrax.ControlTerm(
            lambda t, y, args: jnp.array([[1.0 * v for v in row] for row in noise(jnp, y, t)]),
            GivenIncrements(w=dw, i10=i10),
        )
        arguments = {"t0": TIMES[0], "t1": TIMES[-1], "dt0": DT, "y0": x0}
        return diffrax.diffeqsolve(diffrax.MultiTerm(f, g), solver, **arguments).ys[-1]

    each = (run.x0.T, *(np.moveaxis(values, -1, 0) for values in (run.dw, run.i10)))
    return np.asarray(jax.jit(jax.vmap(one))(*map(jnp.asarray, each))).T


@pytest.mark.parametrize(
    ("scheme", "noise", "solver", "convention"),
    [
        (euler_maruyama, general, diffrax.Euler(), {}),
        (milstein, commuting, diffrax.ItoMilstein(), {}),
        (milstein, scalar, diffrax.ItoMilstein(), {}),
        (milstein, diagonal, diffrax.ItoMilstein(), {}),
        (heun, general, diffrax.Heun(), {"interpretation": STRATONOVICH}),
        # diffrax takes the second noise at t, the others at t + dt
        (euler_heun, general_without_time, diffrax.EulerHeun(), {"interpretation": STRATONOVICH}),
        (sra1, additive, diffrax.SRA1(), {}),
    ],
    ids=lambda value: getattr(value, "name", None) or getattr(value, "__name__", ""),
)
def test_steps_are_those_of_diffrax(scheme, noise, solver, convention, seed):
    run = run_of(scheme, noise, seed, **convention)
    np.testing.assert_allclose(run.end, by_diffrax(run, noise, solver), **CLOSE)


# --- sdeint


@pytest.mark.parametrize(
    ("scheme", "solver", "convention"),
    [
        (euler_maruyama, sdeint.itoEuler, {}),
        (heun, sdeint.stratHeun, {"interpretation": STRATONOVICH}),
    ],
    ids=["itoEuler", "stratHeun"],
)
def test_steps_are_those_of_sdeint(scheme, solver, convention, seed):
    run = run_of(scheme, general, seed, **convention)
    for i in range(8):
        found = solver(
            lambda y, t: np.array(drift(np, y, t)),
            lambda y, t: np.array(general(np, y, t)),
            run.x0[:, i],
            TIMES,
            dW=run.dw[:, :, i],
        )
        np.testing.assert_allclose(run.end[:, i], found[-1], **CLOSE)


def test_an_increment_that_is_off_by_1e_9_would_be_seen(seed):
    run = run_of(heun, general, seed, interpretation=STRATONOVICH)
    found = by_torchsde(
        replace(run, dw=run.dw * (1 + 1e-9)), general, "general", convention="stratonovich", method="heun"
    )
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(run.end, found, **CLOSE)
