"""What is printed for a person: runs, processes and schemes in a line each."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bare_processes import ou

from fpsde.domain import Interval, Wall
from fpsde.integrators import Moments, simulate
from fpsde.processes import BlackBox, brownian, lorenz, rotating_ou, underdamped
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama, mala, splitting


def test_a_run_says_in_a_line_what_it_is():
    run = simulate(ou(), euler_maruyama, x0=0.2, t_end=0.4, dt=0.1, n_particles=1000, seed=1, observers=[Moments()])
    assert (
        str(run)
        == "1000 particles of process by euler_maruyama at t=0.4; dt=0.1, seed=1; x (1, 1000); results of Moments"
    )
    assert repr(run) == f"<Ensemble {run}>"
    assert "positions not kept" in str(replace(run, held=None))
    cubic = Process(drift=lambda x: -(x**3), sigma=lambda x: 1.0)
    lost = simulate(cubic, euler_maruyama, x0=30.0, t_end=3.0, dt=0.5, n_particles=7, seed=1)
    assert lost.not_finite == 7 and f"7 exploded, the first in step {lost.first_not_finite[0]}" in str(lost)
    assert "3 failed: the scheme did not solve its step" in str(replace(run, failed=3))
    assert "failed" not in str(run) and "exploded" not in str(run)
    assert "1000 of 2000 (interrupted) particles" in str(replace(run, requested=2000))
    wall = brownian(domain=Interval.between(0.0, 1.0, Wall.ABSORBING))
    held = simulate(wall, euler_maruyama, x0=0.5, t_end=1.0, dt=0.1, n_particles=50, seed=1)
    assert f"{sum(held.absorbed[0])} on absorbing walls" in str(held)


@pytest.mark.parametrize(
    "made", [rotating_ou(), lorenz(), BlackBox(lambda x, t: -x, 1.0, dim=2), splitting("BAOAB"), euler_maruyama, mala]
)
def test_processes_and_schemes_are_shown_in_a_line(made):
    assert made.name in str(made) and len(str(made)) < 400 and "\n" not in str(made) and "function" not in str(made)


def test_the_internal_state_of_a_scheme_is_not_kept():
    well = underdamped(lambda x: x**4, 1.0)
    run = simulate(well, splitting("BAOAB", track_work=True), x0=(0.0, 0.0), t_end=1.0, dt=0.1, n_particles=9, seed=1)
    assert sorted(run.values) == ["heat", "work"] and run.shards.whole.kept.shape == (4, 9)
