"""Fokker-Planck equations on a real GPU, against the CPU: to 1e-12, and bit for bit where lines are not cut."""

from __future__ import annotations

import numpy as np
import pytest

import fpsde
from fpsde.backend import Backend
from fpsde.domain import LINE, Interval, Wall
from fpsde.fokker_planck.sweeps_in_pieces import CUT, ENOUGH_LINES
from fpsde.processes.process import Process

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("devices")]
WALLS = {
    "cut": (LINE, (-5.0, 5.0)),
    "absorbing": (Interval.between(-1, 1, Wall.ABSORBING), (-1.0, 1.0)),
    "ring": (Interval.between(-1, 1, Wall.PERIODIC), (-1.0, 1.0)),
}


def equal(gpu, cpu, *, bits):
    for name in ("masses", "absorbed", "minimum", "edge"):
        one, other = getattr(gpu, name), getattr(cpu, name)
        np.testing.assert_allclose(one, other, rtol=0, atol=0 if bits else 1e-12, err_msg=name)
    np.testing.assert_array_equal(gpu.n_refused, cpu.n_refused)


@pytest.mark.parametrize("walls", WALLS)
@pytest.mark.parametrize("m, cells", [(300, CUT - 1), (300, 200), (4096, 67), (ENOUGH_LINES, CUT)])
def test_batches_are_those_of_the_cpu(m, cells, walls):
    domain, ends = WALLS[walls]
    process = Process(
        drift=lambda x, t, p: -p.k * x + p.v, sigma=lambda x: 0.8, params={"k": 1.0, "v": 0.0}, domain=domain
    )
    params = {"k": np.linspace(0.8, 3.0, m), "v": np.linspace(-0.3, 0.3, m)}
    solver = fpsde.FokkerPlanck(process, fpsde.Grid.uniform(ends, cells=cells))
    cpu, gpu = (solver.evolve_batch(0.4, params, t_end=0.5, dt=0.0625, backend=b) for b in (Backend.CPU, Backend.GPU))
    equal(gpu, cpu, bits=cells < CUT or m >= ENOUGH_LINES)
    assert np.abs(cpu.masses[:, 0] - cpu.masses[:, -1]).max() > 1e-3


def test_fused_products_stay_close_to_separate_ones():
    solver = fpsde.FokkerPlanck(fpsde.ornstein_uhlenbeck(), fpsde.Grid.uniform((-5, 5), cells=200))
    given = dict(params={"theta": np.linspace(0.8, 3.0, 500)}, t_end=0.5, dt=0.0625)
    exact, fused = (solver.evolve_batch(0.4, backend=b, **given) for b in (Backend.GPU, Backend.GPU_FAST))
    np.testing.assert_allclose(fused.masses, exact.masses, rtol=0, atol=1e-12)


def split_steps_agree(process, ends, cells):
    """Split steps of a plane, from one point, give on a GPU what they give on the CPU."""
    solver = fpsde.FokkerPlanck(process, fpsde.Grid.uniform(ends, (-5.0, 5.0), cells=cells))
    cpu, gpu = (solver.evolve((0.5, -0.3), t_end=0.5, dt=0.0625, backend=b) for b in (Backend.CPU, Backend.GPU))
    np.testing.assert_allclose(gpu.law.masses, cpu.law.masses, rtol=0, atol=1e-12)
    np.testing.assert_allclose(gpu.absorbed, cpu.absorbed, rtol=0, atol=1e-12)
    assert gpu.n_refused == cpu.n_refused and cpu.law.masses.max() > 1e-4


@pytest.mark.parametrize("cells", [(50, 40), (300, 257)])
@pytest.mark.parametrize("walls", WALLS)
def test_split_steps_of_a_plane_are_those_of_the_cpu(walls, cells):
    domain, ends = WALLS[walls]
    process = Process(
        drift=lambda x: (-x[0] + 0.3 * x[1], -x[1] - 0.3 * x[0]), sigma=lambda x: ((0.8, 0.0), (0.0, 0.7)), dim=2,
        domain=(domain, LINE),
    )  # fmt: skip
    split_steps_agree(process, ends, cells)


@pytest.mark.parametrize("cells", [CUT - 1, 200])
@pytest.mark.parametrize("walls", WALLS)
def test_driven_members_and_lines_are_those_of_the_cpu(walls, cells):
    domain, ends = WALLS[walls]
    process = Process(
        drift=lambda x, t, p: -p.k * x + np.sin(p.w * t) * np.tanh(x), sigma=lambda x, t: 0.8 + 0.2 * np.cos(t + x),
        params={"k": 1.0, "w": 3.0}, domain=domain,
    )  # fmt: skip
    params = {"k": np.linspace(0.8, 3.0, 60), "w": np.linspace(-4.0, 4.0, 60)}
    solver, run = fpsde.FokkerPlanck(process, fpsde.Grid.uniform(ends, cells=cells)), dict(t_end=0.5, dt=0.0625)
    cpu, gpu = (solver.evolve_batch(0.4, params, backend=b, **run) for b in (Backend.CPU, Backend.GPU))
    equal(gpu, cpu, bits=False)
    assert np.abs(cpu.masses[:, 0] - cpu.masses[:, -1]).max() > 1e-3
    one, other = (solver.evolve(0.4, backend=b, **run) for b in (Backend.CPU, Backend.GPU))
    np.testing.assert_allclose(other.law.masses, one.law.masses, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cells", [(50, 40), (300, 257)])
@pytest.mark.parametrize("noise", [0.8, 0.0])
@pytest.mark.parametrize("walls", WALLS)
def test_split_steps_of_a_driven_plane_are_those_of_the_cpu(walls, noise, cells):
    """With noise along both axes, and along the second alone."""
    domain, ends = WALLS[walls]
    process = Process(
        drift=lambda x, t: (0.3 * np.sin(4 * t) - 0.5 * x[0], -x[1] * (1 + t) - 0.3 * np.sin(x[0])),
        sigma=lambda x, t: (noise * (1 + 0.3 * np.cos(t)), 0.7), dim=2, domain=(domain, LINE),
    )  # fmt: skip
    split_steps_agree(process, ends, cells)


def test_sums_over_jumps_are_those_of_the_cpu():
    process = Process(
        drift=lambda x: (-x[0] + 0.3 * x[1], -x[1] - 0.3 * x[0]), sigma=lambda x: ((0.8, 0.0), (0.5, 0.7)), dim=2
    )
    solver = fpsde.FokkerPlanck(process, fpsde.Grid.uniform((-5.0, 5.0), (-5.0, 5.0), cells=(90, 80)))
    cpu, gpu = (solver.evolve_by_uniformisation((0.5, -0.3), t_end=0.5, backend=b) for b in (Backend.CPU, Backend.GPU))
    np.testing.assert_allclose(gpu.law.masses, cpu.law.masses, rtol=1e-12, atol=1e-16)
    assert gpu.n_steps == cpu.n_steps > 20


def test_sums_over_jumps_of_batches_are_those_of_the_cpu():
    solver = fpsde.FokkerPlanck(fpsde.ornstein_uhlenbeck(), fpsde.Grid.uniform((-5, 5), cells=100))
    params = {"theta": np.linspace(0.8, 3.0, 500)}
    cpu, gpu = (
        solver.evolve_batch_by_uniformisation(0.4, params, t_end=0.5, backend=b) for b in (Backend.CPU, Backend.GPU)
    )
    np.testing.assert_allclose(gpu.masses, cpu.masses, rtol=1e-12, atol=1e-300)
