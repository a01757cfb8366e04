"""Sums of masses: against exact sums, and with a mass that is lost, or is no number."""

import math

import numpy as np
import pytest

from fpsde.fokker_planck.totals import deepest, departure, distance, total


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 103])
def test_a_total_takes_every_mass_once(n, seed):
    masses = np.random.default_rng(seed).exponential(size=n)
    assert total(masses) == pytest.approx(math.fsum(masses), rel=n * 1e-16)
    for lost in (0, n - 1):
        assert total(np.delete(masses, lost)) != pytest.approx(math.fsum(masses), rel=1e-6)


def test_the_largest_departure_of_all_times_counts_and_walls_are_part_of_the_mass():
    start, at_start = np.full(5, 0.2), np.zeros(2)
    masses, absorbed = np.full((3, 5), 0.2), np.zeros((3, 2))
    masses[1, 4], absorbed[1, 1] = 0.1, 0.1  # at the wall: not lost
    both = (True, True)
    assert departure(masses, absorbed, both, start, at_start) == pytest.approx(0, abs=1e-15)
    assert departure(masses, absorbed, (True, False), start, at_start) == pytest.approx(0.1)  # lost there
    masses[1, 0] -= 1e-9
    masses[2, 2] -= 1e-3
    assert departure(masses, absorbed, both, start, at_start) == pytest.approx(1e-3)
    masses[1, 3] = math.nan
    assert math.isnan(departure(masses, absorbed, both, start, at_start))


def test_how_deep_masses_fall_is_measured_against_cells_and_walls_of_their_own_time():
    masses = np.array([[0.5, -1e-3, 0.25], [1e-6, -1e-8, 1e-6]])
    assert deepest(masses, np.empty((2, 0))) == pytest.approx(-1e-2)
    assert deepest(masses, np.array([[0.0, 0.0], [0.0, 1.0]])) == pytest.approx(-2e-3)
    assert deepest(np.abs(masses), np.empty((2, 0))) > 0


def test_a_distance_takes_every_cell_without_sign(seed):
    one, other = np.random.default_rng(seed).normal(size=(2, 9))
    assert distance(one, other) == pytest.approx(math.fsum(abs(one - other)), rel=1e-15)
    assert distance(one, one) == 0
