"""Split steps of a plane on a GPU, emulated: those of the CPU.

No GPU is needed: the CUDA text is compiled by g++ (``emulated_gpu.py``).
"""

from __future__ import annotations

import numpy as np
import pytest
from emulated_gpu import NEEDS_COMPILER, compiler_is_missing
from scipy.linalg import expm

from fpsde.backend import Backend
from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import BackendUnavailable, InvalidInput
from fpsde.fokker_planck import FokkerPlanck, Stepping, sweeps
from fpsde.fokker_planck.plane.initial import plane_start
from fpsde.grid import Grid
from fpsde.processes.process import Process

RUN = dict(t_end=0.5, times=[0.25], dt=0.125)


def turning(domain=LINE, sigma=lambda x: ((1.0, 0.0), (0.0, 0.7))):
    """Return a process that is driven round: its stationary law has a current."""
    return Process(drift=lambda x: (-x[0] + 0.3 * x[1], -x[1] - 0.3 * x[0]), sigma=sigma, dim=2, domain=domain)


BOXES = {
    "cut": (LINE, (-4.0, 4.0), (-3.5, 3.5)),
    "ring and absorbing": (
        (Interval.between(-1, 1, Wall.PERIODIC), Interval(-1, 1, Wall.ABSORBING, Wall.REFLECTING)),
        (-1.0, 1.0),
        (-1.0, 1.0),
    ),
}


@pytest.fixture
def on_gpu(emulated, monkeypatch):
    monkeypatch.setattr(sweeps, "gpus", lambda: (emulated,))


@pytest.mark.parametrize("box", ["cut", pytest.param("ring and absorbing", marks=pytest.mark.slow)])
@pytest.mark.skipif(compiler_is_missing(), reason=NEEDS_COMPILER)
def test_split_steps_on_a_gpu_are_those_of_the_cpu(box, on_gpu):
    domain, *ends = BOXES[box]
    solver = FokkerPlanck(turning(domain), Grid.uniform(*ends, cells=(21, 18)))
    cpu, gpu = (solver.evolve((0.5, -0.3), backend=b, **RUN) for b in (Backend.CPU, Backend.GPU))
    for one, other in zip(cpu.laws, gpu.laws, strict=True):
        np.testing.assert_allclose(other.masses, one.masses, rtol=0, atol=1e-14)
    for name in ("absorbed", "edge", "minimum", "mass_error"):
        np.testing.assert_allclose(getattr(gpu, name), getattr(cpu, name), rtol=1e-9, atol=1e-15)
    assert (gpu.n_steps, gpu.n_refused) == (cpu.n_steps, cpu.n_refused) and isinstance(gpu.law.masses, np.ndarray)
    assert (np.max(cpu.absorbed) > 0.01) == (box != "cut")
    exact = solver.evolve_by_uniformisation((0.5, -0.3), t_end=0.5)
    assert np.abs(gpu.law.masses - exact.law.masses).sum() < 0.1
    turned = solver.evolve((0.5, 0.3), backend=Backend.GPU, **RUN)
    assert np.abs(turned.law.masses - cpu.law.masses).sum() > 0.1  # another start is seen


@pytest.mark.slow
@pytest.mark.skipif(compiler_is_missing(), reason=NEEDS_COMPILER)
def test_to_a_tolerance_a_gpu_takes_the_steps_of_the_cpu_and_meets_the_exact_law(on_gpu):
    solver = FokkerPlanck(turning(), Grid.uniform((-4.0, 4.0), (-3.5, 3.5), cells=(21, 18)))
    run = solver.evolve((0.5, -0.3), t_end=0.5, tolerance=1e-5, backend=Backend.GPU)
    exact = solver.evolve_by_uniformisation((0.5, -0.3), t_end=0.5)
    assert np.abs(run.law.masses - exact.law.masses).sum() < 1e-5 and run.time_error < 1e-5
    np.testing.assert_allclose(
        run.law.masses, solver.evolve((0.5, -0.3), t_end=0.5, tolerance=1e-5).law.masses, rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.skipif(compiler_is_missing(), reason=NEEDS_COMPILER)
def test_sums_over_jumps_on_a_gpu_are_those_of_the_cpu_whatever_the_stencil_is(box, on_gpu):
    """With correlated noise, whose mass moves along diagonals, between walls and without."""
    domain, *ends = BOXES[box]
    solver = FokkerPlanck(turning(domain, lambda x: ((1.0, 0.0), (0.4, 0.7))), Grid.uniform(*ends, cells=(9, 8)))
    given = dict(t_end=0.4, times=[0.1])
    cpu, gpu = (solver.evolve_by_uniformisation((0.5, -0.3), backend=b, **given) for b in (Backend.CPU, Backend.GPU))
    for name in ("n_steps", "absorbed", "minimum", "edge"):
        np.testing.assert_allclose(getattr(gpu, name), getattr(cpu, name), rtol=1e-13, atol=1e-17)
    for one, other in zip(gpu.laws, cpu.laws, strict=True):
        np.testing.assert_allclose(one.masses, other.masses, rtol=1e-13, atol=1e-17)
    exact = (
        expm(0.4 * solver.generator().matrix.toarray()) @ plane_start((0.5, -0.3), solver.grid, solver._sides).masses
    )
    np.testing.assert_allclose(gpu.law.masses.ravel(), exact, rtol=0, atol=1e-12)
    assert np.abs(cpu.laws[0].masses - cpu.law.masses).max() > 1e-3


def correlated(x):
    return ((1.0, 0.0), (0.5, 0.7))


@pytest.mark.parametrize(
    "process, more, message",
    [
        (turning(), {"stepping": Stepping.WHOLE}, "split steps alone"),
        (
            turning(sigma=correlated),
            {"stepping": Stepping.WHOLE},
            "alone.*; give stepping=fpsde.*SPLIT, or use evolve_by_uniformisation there",
        ),
        (
            turning((Interval.between(-4, 4, Wall.ABSORBING), LINE), lambda x, t: ((1.0, 0.0), (2.5 + np.cos(t), 0.3))),
            {},
            "alone.*; leave the backend out",
        ),
        (turning(), {"backend": "gpu"}, r"give fpsde\.Backend\.CPU"),
    ],
)
def test_what_a_gpu_does_not_take_is_said(process, more, message, on_gpu):
    solver = FokkerPlanck(process, Grid.uniform((-4.0, 4.0), (-3.5, 3.5), cells=(21, 18)))
    with pytest.raises(InvalidInput, match=message):
        solver.evolve((0.5, -0.3), **{"backend": Backend.GPU, **RUN, **more})


def test_a_gpu_that_is_missing_is_an_error():
    solver = FokkerPlanck(turning(), Grid.uniform((-4.0, 4.0), (-3.5, 3.5), cells=(21, 18)))
    with pytest.raises(BackendUnavailable, match="CPU is not taken in its place"):
        solver.evolve((0.5, -0.3), backend=Backend.GPU, **RUN)
