"""What is read of a process of two components: round a seam, at its own time and place, and nothing of the caller's."""

from __future__ import annotations

import numpy as np
import pytest

from fpsde.domain import LINE, Interval, Wall
from fpsde.fokker_planck.coefficients import indefinite
from fpsde.fokker_planck.plane.coefficients import Coefficients, plane_sides
from fpsde.grid import Grid
from fpsde.processes.process import Process

RING = Interval.between(-1, 2, Wall.PERIODIC)


def reader(domain, box, t=0.3):
    """Return what reads coefficients that a turn on the ring changes, unless it is read round."""
    process = Process(
        lambda x, t: (x[0] + t, x[0] * x[1]), lambda x, t: ((1 + x[0] ** 2, 0.0), (x[1], 1 + t)), dim=2, domain=domain
    )
    grid = Grid.uniform(*box, cells=(6, 5))
    return Coefficients(process, grid, t, plane_sides(process, grid))


@pytest.mark.parametrize("axis", [0, 1])
def test_points_beyond_a_seam_are_read_round_and_stay_where_they_are(axis):
    domain, box = [LINE, LINE], [(-4, 4), (-4, 4)]
    domain[axis], box[axis] = RING, (-1, 2)
    read, inside = reader(tuple(domain), box), np.array([[0.25, 1.5, -0.5], [0.75, -0.25, 1.25]])
    for turns in (-1, 1):
        x = inside.copy()
        x[axis] += 3 * turns
        given = x.copy()
        np.testing.assert_allclose(read.drift(x), read.process.ito_drift(inside, 0.3), rtol=1e-14)
        np.testing.assert_allclose(read.diffusivity(x), read.process.diffusivity(inside, 0.3), rtol=1e-14)
        np.testing.assert_array_equal(x, given)
        assert np.abs(read.process.ito_drift(x, 0.3) - read.drift(x)).max() > 0.1


def test_each_has_the_values_of_its_own_time_and_grid():
    for t in (0.3, 0.4):
        for end in (4, 5):
            read = reader((LINE, LINE), ((-4, end), (-end, 4)), t)
            x = np.stack([g.ravel() for g in np.meshgrid(*(line.centres for line in read.grid.lines), indexing="ij")])
            np.testing.assert_array_equal(read.mu, read.process.ito_drift(x, t))
            np.testing.assert_array_equal(read.d, read.process.diffusivity(x, t))
            assert read.mu is read.mu and read.d is read.d


def test_a_diffusivity_is_indefinite_where_an_eigenvalue_is_negative() -> None:
    """One component may have no noise, and round-off may leave a determinant of a noise of rank one below zero."""
    entries = np.array([(a, b, c) for a in (-1.0, 0.0, 2.0) for b in (-1.5, 0.0, 1.0) for c in (-1.0, 0.0, 2.0)]).T
    d = np.array([[entries[0], entries[1]], [entries[1], entries[2]]])
    least = np.linalg.eigvalsh(d.transpose(2, 0, 1))[:, 0]
    np.testing.assert_array_equal(indefinite(d), least < -1e-9)
    np.testing.assert_array_equal(indefinite(d[:1, :1]), entries[0] < 0)
    singular = np.array([[1.0, 0.1 * 3], [0.3, 0.3**2 - 1e-17]])[:, :, None]
    assert not indefinite(singular).any() and indefinite(singular - np.diag([0, 1e-9])[:, :, None]).all()
