"""A long way in steps shows how far it has come, on lines and in planes, and Ctrl-C leaves the solver as it was."""

from __future__ import annotations

import numpy as np
import pytest

from fpsde.density import Normal
from fpsde.fokker_planck import FokkerPlanck
from fpsde.fokker_planck.stepper import Stepper
from fpsde.grid import Grid
from fpsde.processes import ornstein_uhlenbeck, rotating_ou

SOLVERS = {
    "line": (FokkerPlanck(ornstein_uhlenbeck(), Grid.uniform((-8, 8), cells=40)), Normal(0.5, 1.0)),
    "plane": (
        FokkerPlanck(rotating_ou(1.0, 1.0), Grid.uniform((-7, 7), (-7, 7), cells=20)),
        (Normal(0.5, 1.0), Normal(0.0, 1.0)),
    ),
}


@pytest.mark.parametrize("name", SOLVERS)
def test_progress_is_shown_on_standard_error_alone_and_changes_no_number(name, capsys):
    solver, start = SOLVERS[name]
    quiet = solver.evolve(start, t_end=1.0, dt=0.1)
    assert capsys.readouterr() == ("", "")
    shown = solver.evolve(start, t_end=1.0, dt=0.1, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "10 steps" in err and "100%" in err
    np.testing.assert_array_equal(shown.law.masses, quiet.law.masses)


@pytest.mark.parametrize("name", SOLVERS)
def test_the_bar_is_told_the_time_that_is_reached(name, monkeypatch):
    solver, start = SOLVERS[name]
    steppers, told = [], []

    def advance(self, *arguments, **options):
        if self not in steppers:
            steppers.append(self)
            show = self.reached
            self.reached = lambda t: (told.append(t), show(t))
        plain(self, *arguments, **options)

    plain = Stepper.advance
    monkeypatch.setattr(Stepper, "advance", advance)
    solver.evolve(start, t_start=1.0, t_end=2.0, times=[1.5], dt=0.125)
    assert told == sorted(told) and told[-1] == pytest.approx(2.0) and {1.5, 2.0} <= set(np.round(told, 12))


@pytest.mark.parametrize("name", SOLVERS)
def test_ctrl_c_passes_through_and_the_next_run_is_what_it_would_have_been(name, monkeypatch):
    solver, start = SOLVERS[name]
    before = solver.evolve(start, t_end=1.0, dt=0.1)

    def interrupted(self, t, dt, n_steps, halvings=0):
        if t > 0.5:
            raise KeyboardInterrupt
        plain(self, t, dt, n_steps, halvings)

    plain = Stepper.advance
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Stepper, "advance", interrupted)
        solver.evolve(start, t_end=1.0, times=[0.6], dt=0.1, progress=True)
    after = solver.evolve(start, t_end=1.0, dt=0.1)
    np.testing.assert_array_equal(after.law.masses, before.law.masses)
