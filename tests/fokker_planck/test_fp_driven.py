"""The compiled loop of driven processes: the plain loop's numbers, order 2 in dt, and the same refusals."""

from __future__ import annotations

import numpy as np
import pytest

import fpsde
from fpsde.density import Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck, assemble
from fpsde.fokker_planck.coefficient_kernel import coefficient_kernel, coefficient_source
from fpsde.fokker_planck.driven import DrivenPropagator
from fpsde.fokker_planck.initial import starting_masses
from fpsde.grid import Grid
from fpsde.processes.process import Process
from fpsde.processes.statement import STRATONOVICH


def kicked(domain=Interval(), **options):  # noqa: B008 (frozen)
    """Return a process with everything in it: costly parts in x, in t and in both, a condition, parameters."""
    return Process(
        drift=lambda x, t, p: (
            -p.k[0] * np.sin(np.pi * x) * np.exp(-t)
            + np.where(x > 0.3 * t, 0.4, -0.2) * np.cos(p.k[1] * t)
            + np.tanh(x * t)
        ),
        sigma=lambda x, t, p: np.sqrt(
            0.4 + 0.1 * np.cos(np.pi * x) * np.sin(p.k[1] * t) ** 2 + 0.05 * np.sqrt(1 + x**2)
        ),
        params={"k": [2.0, 3.0]},
        domain=domain,
        name="kicked",
        **options,
    )


PROCESSES = {
    "line": (kicked(), (-7, 7)),
    "reflecting": (kicked(Interval.between(-1, 1, Wall.REFLECTING)), (-1, 1)),
    "absorbing": (kicked(Interval(-1, 1, Wall.ABSORBING, Wall.REFLECTING)), (-1, 1)),
    "ring": (kicked(Interval.between(-1, 1, Wall.PERIODIC)), (-1, 1)),
    "Stratonovich": (kicked(interpretation=STRATONOVICH), (-7, 7)),
    "variance preserving": (fpsde.process_named("variance_preserving"), (-7.5, 7.5)),
    "additive": (fpsde.process_named("additive_time_dependent"), (-5, 7)),
}


@pytest.mark.parametrize("name", PROCESSES)
def test_printed_coefficients_are_those_of_the_process(name):
    process, (low, high) = PROCESSES[name]
    x = np.linspace(low, high, 101)[1:-1]
    kernel = coefficient_kernel(process, x[None])
    ratio, d = np.empty(60), np.empty(len(x) - 60)
    for t in (0.1, 0.37, 1.2):
        assert kernel.function(x[None], kernel.table, t, kernel.parameters, ratio, d) == 0
        mu = ratio * process.diffusivity(x[-60:], t)
        np.testing.assert_allclose(mu, process.ito_drift(x[-60:], t), rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(d, process.diffusivity(x[:-60], t), rtol=1e-13)
        assert np.abs(mu - process.ito_drift(x[-60:], t + 0.01)).max() > 1e-6


def test_what_does_not_move_is_not_computed_again():
    process = Process(
        drift=lambda x, t, p: -np.sin(x) * np.cos(p.w * t),
        sigma=lambda x, t: np.sqrt(1 + np.exp(-(x**2)) * t),
        params={"w": 2.0},
    )
    rows, source = coefficient_source(process)
    loop = source.split("def coefficients")[1].split("for k in range(len(ratio)):")[1]
    assert rows == 2 and not any(word in loop for word in ("sin_", "cos_", "exp_", "sqrt_"))


def plain(process, grid, t=0.0):
    return assemble(process, grid, t)


@pytest.mark.parametrize("name", PROCESSES)
def test_laws_are_those_of_the_plain_loop(name):
    process, box = PROCESSES[name]
    solvers = [FokkerPlanck(process, Grid.uniform(box, cells=90), assemble=f) for f in (assemble, plain)]
    fast, slow = (s.evolve(0.3, t_start=0.1, t_end=0.9, times=[0.3], dt=0.02) for s in solvers)
    for one, other in zip(fast.laws, slow.laws, strict=True):
        np.testing.assert_allclose(one.masses, other.masses, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(fast.absorbed, slow.absorbed, atol=1e-13)
    assert (fast.n_steps, fast.n_refused) == (slow.n_steps, slow.n_refused)
    assert fast.mass_error < 1e-13 and fast.minimum >= 0
    shifted = solvers[0].evolve(0.3, t_start=0.12, t_end=0.92, dt=0.02).law.masses
    assert np.abs(shifted - slow.law.masses).sum() > 1e-5
    by_fast = isinstance(solvers[0]._propagator(_start(solvers[0]), np.array([0.1, 0.9])), DrivenPropagator)
    by_slow = isinstance(solvers[1]._propagator(_start(solvers[1]), np.array([0.1, 0.9])), DrivenPropagator)
    assert by_fast and not by_slow


def _start(solver):
    return starting_masses(0.3, solver.grid, solver._sides)


def test_the_order_in_dt_is_two():
    solver = FokkerPlanck(PROCESSES["variance preserving"][0], Grid.uniform((-7.5, 7.5), cells=90))
    fine = solver.evolve(Normal(0.7, 0.5), t_end=0.5, dt=0.5 / 2048).law.masses
    errors = [
        np.abs(solver.evolve(Normal(0.7, 0.5), t_end=0.5, dt=0.5 / n).law.masses - fine).sum() for n in (16, 32, 64)
    ]
    assert np.all(np.abs(np.log2(np.array(errors[:-1]) / errors[1:]) - 2) < 0.25), errors


def test_steps_are_refused_and_halved_as_in_the_plain_loop():
    swing = Process(drift=lambda x, t: -20 * (x - np.sin(6 * t)), sigma=lambda x, t: 0.2)
    runs = [
        FokkerPlanck(swing, Grid.uniform((-2.5, 2.5), cells=200), assemble=f).evolve(
            Normal(1.0, 0.15), t_end=1.0, dt=0.125
        )
        for f in (assemble, plain)
    ]
    assert runs[0].n_refused == runs[1].n_refused > 10
    np.testing.assert_allclose(runs[0].law.masses, runs[1].law.masses, rtol=1e-8, atol=1e-16)
    assert runs[0].minimum >= 0


@pytest.mark.parametrize(
    ("drift", "sigma", "message"),
    [
        (lambda x, t: -x + np.log(0.5 - t), lambda x, t: 1.0, r"the drift of lost is -inf at x=.*, t=0\.5"),
        (lambda x, t: -x, lambda x, t: 0.5 - t + 0 * x, r"the diffusivity of lost is 0\.0 at x=.*, t=0\.5"),
        # at the centre 2/15 of a cell of 4/15, and at no place where a flux is taken
        (
            lambda x, t: -x,
            lambda x, t: np.where(np.abs(x - 2 / 15) < 1e-3, 0.5 - t, 1.0),
            r"the diffusivity of lost is 0\.0 at x=0\.133.*, t=0\.5",
        ),
    ],
)
def test_coefficients_that_leave_their_range_are_refused_where_they_do(drift, sigma, message):
    lost = Process(drift=drift, sigma=sigma, name="lost")
    with np.errstate(all="ignore"), pytest.raises(InvalidInput, match=message):
        FokkerPlanck(lost, Grid.uniform((-8, 8), cells=60)).evolve(0.0, t_end=1.0, dt=0.125)


def test_many_steps_are_marched_in_one_call(monkeypatch):
    solver = FokkerPlanck(PROCESSES["variance preserving"][0], Grid.uniform((-7.5, 7.5), cells=60))
    calls = []
    march = DrivenPropagator._march

    def counted(self, *arguments):
        calls.append(arguments)
        return march(self, *arguments)

    monkeypatch.setattr(DrivenPropagator, "_march", counted)
    run = solver.evolve(Normal(0.5, 0.5), t_end=1.0, dt=0.01)
    assert run.n_steps >= 100 and len(calls) <= 2 + 4 * run.n_refused
