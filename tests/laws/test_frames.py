"""Frames: with and without a weight they hold the same expectations; extents reach where the tails are."""

from __future__ import annotations

import numpy as np
import pytest

from fpsde.errors import InvalidInput, UnstableStep
from fpsde.laws.axes import gaussian_line, segment
from fpsde.laws.backward_chain import BackwardChain
from fpsde.laws.extent import extent_of, stationary_energy
from fpsde.laws.extrapolated import extrapolated_expectations
from fpsde.laws.frame import Frame, applied
from fpsde.processes import double_well, geometric_brownian, ornstein_uhlenbeck
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama

SQUARE = [lambda x: x**2]


def test_a_weight_changes_nothing_but_the_numbers_that_are_held() -> None:
    well = double_well()
    axes, energy = (segment(-2.4, 2.4, 90),), stationary_energy(well)
    plain, weighted = Frame(axes), Frame(axes, energy)
    found = [
        BackwardChain(euler_maruyama, well, f, nodes=48).expectations(SQUARE, (0.3,), t_end=1.0, n_steps=100)[0]
        for f in (plain, weighted)
    ]
    assert found[0] == pytest.approx(found[1], abs=1e-9)
    exact = [
        extrapolated_expectations(well, f, SQUARE, (0.3,), t_end=1.0, fewest=100, nodes=48)[0][0]
        for f in (plain, weighted)
    ]
    assert exact[0] == pytest.approx(exact[1], abs=1e-9)
    assert abs(exact[0] - found[0]) > 1e-3  # the step of the chain is seen


def test_extrapolated_steps_are_the_closed_form_of_an_ornstein_uhlenbeck_process() -> None:
    process = ornstein_uhlenbeck()
    frame = Frame((segment(-6.0, 7.0, 110),))
    found, correction = extrapolated_expectations(process, frame, SQUARE, (0.5,), t_end=1.0, fewest=16, nodes=40)
    law = process.exact.transition(0.5, 1.0)
    assert found[0] == pytest.approx(law.variance + law.mean**2, abs=1e-10)
    assert correction[0] < 1e-10


def test_the_ends_of_an_energy_are_where_it_has_risen_by_the_depth() -> None:
    """(x^2 - 1)^2/0.25 = depth at the ends, to the lattice on which they are sought."""
    ((low, high),) = extent_of(double_well(), x0=None, t_end=1.0, dt=0.1).ends(30.0)
    exact = np.sqrt(1 + np.sqrt(30.0 * 0.25))
    assert -1.05 * exact < low < -exact and exact < high < 1.05 * exact


def test_the_tails_of_pilots_are_those_of_a_normal_law() -> None:
    """P(z > 7) is e^-27.4: no end of a normal law is nearer; the widest of all looks is taken, so they are farther."""
    process = Process(drift=lambda x: -x, sigma=lambda x: np.sqrt(2.0))
    ((low, high),) = extent_of(process, x0=(0.0,), t_end=6.0, dt=0.02).ends(27.4)
    assert -10.5 < low < -6.5 and 6.5 < high < 10.5
    with pytest.raises(UnstableStep, match="pilot particles"):
        extent_of(Process(drift=lambda x: x**3, sigma=lambda x: 1.0), x0=(5.0,), t_end=6.0, dt=0.1).ends(22.0)
    with pytest.raises(InvalidInput, match="states no energy"):
        extent_of(geometric_brownian(), x0=None, t_end=1.0, dt=0.1)


@pytest.mark.parametrize("axis", [segment(-9.0, 9.0, 120), gaussian_line(12, 1.0)], ids=["segment", "line"])
def test_lengths_integrate_what_is_zero_at_the_ends(axis) -> None:
    x = axis.nodes
    assert axis.lengths @ (x**2 * np.exp(-0.5 * x**2)) == pytest.approx(np.sqrt(2 * np.pi), rel=1e-10)


def test_squaring_is_stepping() -> None:
    P = np.array([[0.9, 0.1], [0.3, 0.7]])
    v = np.array([[1.0], [-2.0]])
    np.testing.assert_allclose(applied(P, v, 13), np.linalg.matrix_power(P, 13) @ v, rtol=1e-14)
