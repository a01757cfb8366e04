"""Many values of the parameters of a process at once: each member as if it were alone, on the CPU and on a GPU.

No GPU is needed: the CUDA text is compiled by g++ (``emulated_gpu.py``).
"""

from __future__ import annotations

import dataclasses
import gc
import weakref

import numpy as np
import pytest
from emulated_gpu import NEEDS_COMPILER, compiler_is_missing
from scipy import special

from fpsde.backend import Backend
from fpsde.density import Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import BackendUnavailable, InvalidInput, UnstableStep
from fpsde.fokker_planck import FokkerPlanck, assemble, batch, sweeps
from fpsde.fokker_planck.batch_lines import LinesThatStay
from fpsde.fokker_planck.sweeps import SweepsOnCpu, SweepsOnGpu
from fpsde.fokker_planck.sweeps_in_pieces import SweepsInPieces
from fpsde.fokker_planck.tridiagonal import STAGE, WEIGHT
from fpsde.grid import Grid
from fpsde.processes import ornstein_uhlenbeck
from fpsde.processes.process import Process

needs_compiler = pytest.mark.skipif(compiler_is_missing(), reason=NEEDS_COMPILER)
OU, GRID = ornstein_uhlenbeck(), Grid.uniform((-5, 5), cells=60)
#: Two of them mix so fast that steps of a quarter, from a point, are refused.
PARAMS = {"theta": np.array([2.0, 0.7, 6.0]), "mean": np.array([0.5, 0.0, 0.2])}
RUN = dict(t_end=1.0, times=[0.5], dt=0.25)


@pytest.fixture
def on_gpu(emulated, monkeypatch):
    monkeypatch.setattr(sweeps, "gpus", lambda: (emulated,))


def members(params):
    return [dict(zip(params, values, strict=True)) for values in zip(*params.values(), strict=True)]


def test_each_member_is_carried_as_if_it_were_alone():
    found = FokkerPlanck(OU, GRID).evolve_batch(3.0, PARAMS, **RUN)
    assert len(found) == 3 and found.masses.shape == (2, 3, 60) and found.times == (0.5, 1.0)
    for k, values in enumerate(members(PARAMS)):
        alone = FokkerPlanck(OU.with_params(**values), GRID).evolve(3.0, **RUN)
        for one, other in zip(found.laws(k), alone.laws, strict=True):
            np.testing.assert_allclose(one.masses, other.masses, rtol=0, atol=1e-14)
        for name in ("n_steps", "n_refused", "minimum", "edge", "peclet", "cells_per_length"):
            np.testing.assert_allclose(getattr(found, name)[k], getattr(alone, name), rtol=1e-9, atol=1e-18)
    assert (found.n_refused > 0).tolist() == [True, False, True] and found.mass_error.max() < 1e-14
    other = FokkerPlanck(OU.with_params(theta=2.001, mean=0.5), GRID).evolve(3.0, **RUN)
    assert np.abs(other.law.masses - found.law(0).masses).max() > 1e-6  # a member with another parameter is seen


def test_members_are_the_laws_that_are_known_in_closed_form():
    grid, theta = Grid.uniform((-4, 4), cells=200), np.array([0.6, 1.0, 1.7])
    found = FokkerPlanck(OU, grid).evolve_batch(Normal(0.5, 0.6), {"theta": theta}, t_end=0.8, tolerance=1e-5)
    assert found.time_error < 1e-5
    errors = np.empty((3, 3))
    for k in range(3):
        for j in range(3):
            left = np.exp(-theta[j] * 0.8)
            after = Normal(0.5, np.sqrt(0.36 * left**2 + 0.64 * (1 - left**2) / (2 * theta[j])))
            errors[k, j] = np.abs(found.law(k).cdf(grid.faces) - after.cdf(grid.faces)).max()
    assert errors.diagonal().max() < 2e-4
    assert errors[~np.eye(3, dtype=bool)].min() > 2e-2  # the law of another member is seen


def random_lines(m, n, ring):
    rng = np.random.default_rng(n)
    rates, exits = rng.uniform(0.5, 3.0, (m, 2, n)), rng.uniform(0.2, 0.9, (m, 2))
    if ring:
        return rates, np.zeros((m, 2)), rng.uniform(0.0, 1.0, (m, n))
    rates[:, 0, 0] = rates[:, 1, -1] = 0.0
    return rates, exits, rng.uniform(0.0, 1.0, (m, n))


def dense(rates, exits):
    """Return the generators ``(m, n, n)`` of lines or rings."""
    (m, _, n), k = rates.shape, np.arange(rates.shape[2])
    q = np.zeros((m, n, n))
    for rate, to in ((rates[:, 0], (k - 1) % n), (rates[:, 1], (k + 1) % n)):
        q[:, to, k] += rate
        q[:, k, k] -= rate
    q[:, 0, 0] -= exits[:, 0]
    q[:, -1, -1] -= exits[:, 1]
    return q


@pytest.mark.parametrize("ring", [False, True])
@needs_compiler
def test_a_step_on_a_gpu_has_the_bits_of_the_cpu_and_solves_its_equations(ring, emulated):
    rates, exits, masses = random_lines(11, 7, ring)
    dt, found = 0.3, []
    for lines in (SweepsOnCpu(rates, exits), SweepsOnGpu(rates, exits, emulated, fast=False)):
        start = lines.load(masses)
        lost = lines.backward_euler(dt, start)
        new, entered = lines.tr_bdf2(STAGE * dt, start)
        found.append([lines.lines(one) for one in (start, lost, new, entered)])
    for cpu, gpu in zip(*found, strict=True):
        np.testing.assert_array_equal(gpu, cpu)
    q, one = dense(rates, exits), np.eye(7)
    damped = np.linalg.solve(one - dt * q, masses[..., None])
    first = np.linalg.solve(one - STAGE * dt * q, damped + STAGE * dt * (q @ damped))
    second = np.linalg.solve(one - STAGE * dt * q, damped + WEIGHT * STAGE * dt * (q @ (damped + first)))
    for values, oracle in zip(found[1][::2], (damped, second), strict=True):
        np.testing.assert_allclose(values, oracle[..., 0], rtol=1e-13)
    np.testing.assert_allclose(found[1][1], dt * exits * damped[:, [0, -1], 0], rtol=1e-13)
    gone = (found[1][0] - found[1][2]).sum(axis=1)
    np.testing.assert_allclose(found[1][3].sum(axis=1), gone, atol=1e-14)


@pytest.mark.parametrize("kind, n", [(SweepsOnGpu, 7), (SweepsInPieces, 12)])
@needs_compiler
def test_a_step_on_a_gpu_with_the_rates_of_three_times_solves_its_equations(kind, n, emulated):
    (rates, exits, masses), a = random_lines(3, n, False), STAGE * 0.3
    lines, powers = kind(rates, exits, emulated, fast=False), (0.5, 1, 2)
    first, middle, last = (
        lines.with_rates(lines.load(rates**k), lines.load(exits**k), ring=False, absorb=True) for k in powers
    )
    found, lost = (lines.lines(one) for one in first.tr_bdf2_between(middle, last, a, lines.load(masses)))
    q, one, p = [dense(rates**k, exits**k) for k in powers], np.eye(n), masses[..., None]
    between = np.linalg.solve(one - a * q[1], p + a * (q[0] @ p))
    after = np.linalg.solve(one - a * q[2], p + a * WEIGHT * (q[0] @ p + q[1] @ between))
    np.testing.assert_allclose(found, after[..., 0], rtol=1e-12)
    terms = zip((WEIGHT, WEIGHT, 1), powers, (p, between, after), strict=True)
    entered = sum(share * exits**k * at[:, [0, -1], 0] for share, k, at in terms)
    np.testing.assert_allclose(lost, a * entered, rtol=1e-12)


def test_lines_leave_a_device_with_their_last_use(emulated):
    """Not when Python looks for cycles: those of each step would lie there together."""
    rates, exits, _ = random_lines(3, 7, False)
    lines = SweepsOnGpu(rates, exits, emulated, fast=False)
    gc.disable()
    try:
        other = weakref.ref(lines.with_rates(lines.rates, lines.exits, ring=False, absorb=True))
        assert other() is None
    finally:
        gc.enable()


@needs_compiler
def test_members_on_a_gpu_have_the_bits_of_the_cpu(on_gpu, texts, monkeypatch):
    solver = FokkerPlanck(OU, GRID)
    cpu, gpu = (solver.evolve_batch(3.0, PARAMS, backend=b, **RUN) for b in (Backend.CPU, Backend.GPU))
    for name in ("masses", "absorbed", "mass_error", "minimum", "edge", "n_steps", "n_refused"):
        np.testing.assert_array_equal(getattr(gpu, name), getattr(cpu, name))
    assert gpu.provenance["backend"] == "gpu" and cpu.n_refused.any()
    monkeypatch.setattr(sweeps, "cuda_program", lambda: texts.wrong_lines)
    other = solver.evolve_batch(3.0, PARAMS, backend=Backend.GPU, **RUN)
    assert np.abs(other.masses - cpu.masses).max() > 1e-5  # a wrong coefficient of the text is seen


@needs_compiler
def test_one_line_on_a_gpu_is_that_of_the_cpu(on_gpu):
    solver = FokkerPlanck(OU.with_params(theta=2.0, mean=0.5), GRID)
    cpu, gpu = (solver.evolve(3.0, backend=b, **RUN) for b in (Backend.CPU, Backend.GPU))
    for one, other in zip(gpu.laws, cpu.laws, strict=True):
        np.testing.assert_allclose(one.masses, other.masses, rtol=0, atol=1e-14)
    for name in ("n_steps", "n_refused", "minimum", "edge", "absorbed", "peclet", "dt", "time_error"):
        np.testing.assert_equal(np.isclose(getattr(gpu, name) or 0, getattr(cpu, name) or 0, 1e-9, 1e-15), True)
    assert gpu.n_refused > 0 and np.abs(gpu.laws[0].masses - gpu.law.masses).max() > 1e-3  # another time is seen
    with pytest.raises(InvalidInput, match="a GPU shows no bar"):
        solver.evolve(3.0, backend=Backend.GPU, progress=True, **RUN)
    with pytest.raises(InvalidInput, match=r"give fpsde\.Backend\.CPU"):
        solver.evolve(3.0, backend="gpu", **RUN)


@needs_compiler
def test_sums_over_jumps_of_all_members_are_those_of_each_on_both_machines(on_gpu):
    given = dict(t_end=0.5, times=[0.25])
    solver = FokkerPlanck(OU, GRID)
    cpu, gpu = (
        solver.evolve_batch_by_uniformisation(3.0, PARAMS, backend=b, **given) for b in (Backend.CPU, Backend.GPU)
    )
    np.testing.assert_allclose(gpu.masses, cpu.masses, rtol=1e-13, atol=1e-300)
    for k, values in enumerate(members(PARAMS)):
        alone = FokkerPlanck(OU.with_params(**values), GRID).evolve_by_uniformisation(3.0, **given)
        np.testing.assert_allclose(cpu.masses[:, k], [law.masses for law in alone.laws], rtol=0, atol=1e-14)
        np.testing.assert_allclose(cpu.edge[k], alone.edge, atol=1e-14)
    assert cpu.dt is None and cpu.mass_error.max() < 1e-13 and (cpu.n_steps == cpu.n_steps[0]).all()
    assert np.abs(cpu.masses[:, 0] - cpu.masses[:, 2]).max() > 1e-3  # another member is seen


@pytest.mark.parametrize(
    "params, message",
    [
        ({}, "give a mapping of names to arrays"),
        ([1.0], "give a mapping of names to arrays"),
        ({"tehta": [1.0]}, "did you mean 'theta'"),
        ({"theta": 1.0}, r"params\['theta'\] has shape \(\)"),
        ({"theta": [[1.0, 2.0]]}, r"has shape \(1, 2\)"),
        ({"theta": []}, "is empty"),
        ({"theta": [1.0, np.nan]}, "1 of 2 values that are NaN"),
        ({"theta": [1.0, 2.0], "mean": [0.0]}, "lengths {'theta': 2, 'mean': 1}"),
        ({"theta": [1.0, -2.0]}, r"member 1 \(theta=-2.0\): theta"),
        ({"sigma": [1.0, 0.0]}, r"member 1 \(sigma=0.0\): sigma"),
        ({"mean": [0.0, 5.5]}, r"member 1 \(mean=5.5\): the grid \[-5.0, 5.0\] does not hold"),
    ],
)
def test_bad_parameters_are_named(params, message):
    with pytest.raises(InvalidInput, match=message):
        FokkerPlanck(OU, GRID).evolve_batch(0.0, params, t_end=1.0, dt=0.5)


def test_what_cannot_be_had_is_said(monkeypatch):
    solver = FokkerPlanck(OU, GRID)
    with pytest.raises(InvalidInput, match=r"give fpsde\.Backend\.CPU"):
        solver.evolve_batch(0.0, {"theta": [1.0]}, t_end=1.0, dt=0.5, backend="gpu")
    with pytest.raises(BackendUnavailable, match="CPU is not taken in its place"):
        solver.evolve_batch(0.0, {"theta": [1.0]}, t_end=1.0, dt=0.5, backend=Backend.GPU)
    with pytest.raises(InvalidInput, match="members are numbered from 0 to 0"):
        solver.evolve_batch(0.0, {"theta": [1.0]}, t_end=1.0, dt=0.5).law(1)
    driven = Process(drift=lambda x, t, p: -p.k * x + np.sin(t), sigma=lambda x: 1.0, params={"k": 1.0})
    with pytest.raises(InvalidInput, match="not carried exactly in time; use evolve_batch"):
        FokkerPlanck(driven, GRID).evolve_batch_by_uniformisation(0.0, {"k": [1.0]}, t_end=1.0)
    fades = Process(drift=lambda x, t: -x, sigma=lambda x, t, p: p.s - t, params={"s": 2.0}, name="fades")
    with pytest.raises(InvalidInput, match=r"^member 1 \(s=0\.5\): the diffusivity of fades is 0\.0 at x=.*, t=0\.5"):
        FokkerPlanck(fades, GRID).evolve_batch(0.0, {"s": [2.0, 0.5]}, t_end=1.0, dt=0.5)


def test_too_many_products_name_the_fastest_member_and_what_to_call():
    with pytest.raises(InvalidInput, match=r"member 1 \(sigma=2000.0\): max\|Q_ii\|=.*; use evolve_batch, or wider"):
        FokkerPlanck(OU, GRID).evolve_batch_by_uniformisation(0.0, {"sigma": [1.0, 2e3, 2.0]}, t_end=1.0)


def test_planes_carry_no_batches():
    still = Process(drift=lambda x: (-x[0], -x[1]), sigma=lambda x: (1.0, 1.0), dim=2)
    plane = FokkerPlanck(still, Grid.uniform((-1, 1), (-1, 1), cells=(4, 4)))
    for call in (plane.evolve_batch, plane.evolve_batch_by_uniformisation):
        with pytest.raises(InvalidInput, match=r"two components, .* call evolve for FokkerPlanck"):
            call((0.0, 0.0), {"sigma": [1.0]}, t_end=1.0)


def test_a_batch_says_what_it_is_in_a_line():
    found = FokkerPlanck(OU, GRID).evolve_batch(3.0, PARAMS, **RUN)
    said = "3 members of ornstein_uhlenbeck on 60 cells, which differ in theta, mean; at 2 time(s) up to 1"
    assert repr(found) == f"<BatchEvolution of {said}>"


def test_more_lines_than_a_device_holds_are_refused_with_the_size(emulated, monkeypatch):
    small = dataclasses.replace(emulated, bytes_free=2**15)
    monkeypatch.setattr(sweeps, "gpus", lambda: (small,))
    with pytest.raises(InvalidInput, match=r"3 lines of 60 cells need 5\.63e-05 GiB, of 3\.05e-05 GiB that are free"):
        FokkerPlanck(OU, GRID).evolve_batch(3.0, PARAMS, backend=Backend.GPU, **RUN)


def test_a_step_that_cannot_be_taken_names_its_member():
    rates, exits, masses = random_lines(3, 5, False)
    rates[1, :, 1:-1] = np.inf
    lines = LinesThatStay(SweepsOnCpu, rates, exits)
    stepper = batch.BatchStepper(lines, masses, np.zeros(3), (0, 0), lambda k: f"member {k}")
    with pytest.raises(UnstableStep, match="member 1"):
        stepper.advance(0.0, 0.1, 1)


WALLED = {
    "absorbing": Interval.between(0, 1, Wall.ABSORBING),
    "half absorbing": Interval(0, 1, Wall.REFLECTING, Wall.ABSORBING),
    "periodic": Interval.between(0, 1, Wall.PERIODIC),
}


@pytest.mark.slow
@pytest.mark.parametrize("wall", WALLED)
@needs_compiler
def test_members_between_walls_are_those_alone_and_have_the_bits_of_the_cpu(wall, on_gpu):
    process = Process(
        drift=lambda x, t, p: p.v + p.a[0] * np.sin(6 * x) * p.a[1], sigma=lambda x: 1.0 + 0.3 * np.cos(6 * x),
        params={"v": 0.3, "a": [1.0, 0.5]}, domain=WALLED[wall],
    )  # fmt: skip
    rng = np.random.default_rng(5)
    params = {"v": rng.normal(size=40), "a": rng.normal(size=(40, 2))}
    solver = FokkerPlanck(process, Grid.uniform((0, 1), cells=37))
    cpu, gpu = (
        solver.evolve_batch(0.35, params, t_end=0.2, tolerance=1e-4, backend=b) for b in (Backend.CPU, Backend.GPU)
    )
    for name in ("masses", "absorbed", "n_refused"):
        np.testing.assert_array_equal(getattr(gpu, name), getattr(cpu, name))
    assert (cpu.absorbed[..., 1].min() > 0) == ("absorbing" in wall)
    for backend in (Backend.CPU, Backend.GPU):
        exact = solver.evolve_batch_by_uniformisation(0.35, params, t_end=0.2, backend=backend)
        np.testing.assert_allclose(exact.masses, cpu.masses, rtol=0, atol=1e-4)
        np.testing.assert_allclose(exact.absorbed, cpu.absorbed, rtol=0, atol=1e-4)
        assert exact.mass_error.max() < 1e-12 and exact.minimum.min() >= 0
    for k in (0, 17, 39):
        member = process.with_params(v=params["v"][k], a=params["a"][k])
        alone = FokkerPlanck(member, solver.grid).evolve(0.35, t_end=0.2, dt=cpu.dt)
        np.testing.assert_allclose(cpu.law(k).masses, alone.law.masses, rtol=0, atol=1e-13)
        np.testing.assert_allclose(cpu.absorbed[-1, k], alone.absorbed, rtol=0, atol=1e-13)
        np.testing.assert_allclose(cpu.law(k).atoms, alone.law.atoms, rtol=0, atol=1e-13)


@pytest.mark.slow
def test_a_ring_turns_each_member_by_its_own_drift():
    process = Process(drift=lambda x, t, p: p.v, sigma=lambda x, t, p: p.s, params={"v": 1.0, "s": 0.3},
                      domain=WALLED["periodic"])  # fmt: skip
    v, s, t = np.array([1.3, -0.4, 0.0]), np.array([0.3, 0.4, 0.5]), 0.4
    grid = Grid.uniform((0, 1), cells=400)
    found = FokkerPlanck(process, grid).evolve_batch(0.9, {"v": v, "s": s}, t_end=t, tolerance=1e-6)
    for k in range(3):
        turns, spread = np.arange(-9, 10) + 0.9 + v[k] * t, s[k] * np.sqrt(t)
        exact = (special.ndtr((grid.faces[:, None] - turns) / spread) - special.ndtr(-turns / spread)).sum(axis=1)
        assert np.abs(found.law(k).cdf(grid.faces) - exact).max() < 1e-4


@pytest.mark.slow
@needs_compiler
def test_fused_products_on_a_gpu_stay_close_to_separate_ones(on_gpu):
    solver = FokkerPlanck(OU, GRID)
    exact, fused = (solver.evolve_batch(3.0, PARAMS, backend=b, **RUN) for b in (Backend.GPU, Backend.GPU_FAST))
    assert not np.array_equal(fused.masses, exact.masses)
    np.testing.assert_allclose(fused.masses, exact.masses, rtol=0, atol=1e-13)


@pytest.mark.slow
def test_other_generators_and_processes_are_built_one_by_one():
    def doubled(process, grid, t):
        q = assemble(process, grid, t)
        return dataclasses.replace(q, left=2 * q.left, right=2 * q.right)

    found = FokkerPlanck(OU, GRID, assemble=doubled).evolve_batch(3.0, {"theta": [2.0, 0.7]}, t_end=0.5, dt=0.25)
    twice = FokkerPlanck(OU, GRID).evolve_batch(3.0, {"theta": [2.0, 0.7]}, t_end=1.0, dt=0.5)
    np.testing.assert_allclose(found.masses, twice.masses, atol=1e-14)
