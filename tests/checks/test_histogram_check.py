"""Counts against masses: exact limits, histograms of any length, atoms on faces, NaN."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from fpsde import checks
from fpsde.checks import Verdict
from fpsde.density import CellLaw, Mixture, Normal, Point, Uniform
from fpsde.ensemble import Counts
from fpsde.grid import Grid

LAW = Normal(0.0, 1.0)
FACES = np.linspace(-3.0, 3.0, 25)


def masses_of(law: object, faces: np.ndarray = FACES) -> np.ndarray:
    cdf = law.cdf(faces)  # type: ignore[attr-defined]
    return np.diff(np.concatenate([[0.0], cdf, [1.0]]))


@pytest.mark.slow
def test_alarms_of_the_cells_keep_the_level(rng: np.random.Generator) -> None:
    """Discrete counts cannot reach the level exactly, so it is a bound; with 26 cells about half of it is used."""
    p = masses_of(LAW)
    counts = rng.multinomial(20_000, p, size=800)
    alarms = sum(checks.cells(row, p, alpha=0.1).verdict is Verdict.FAIL for row in counts)
    assert stats.binom.sf(alarms - 1, 800, 0.1) > 1e-6
    assert alarms > 0.4 * 0.1 * 800


def test_p_values_of_both_parts_are_never_too_small(
    rng: np.random.Generator, assert_uniform: Callable[..., None]
) -> None:
    results = [checks.histogram(row, LAW, faces=FACES) for row in rng.multinomial(50_000, masses_of(LAW), size=400)]
    assert_uniform([r.components[0].p_value for r in results], at_least=0.3)  # at the faces only: less than the sup
    assert_uniform([r.components[1].p_value for r in results], at_least=0.5)


def test_masses_biased_by_their_tolerance_alarm_at_most_at_the_level(rng: np.random.Generator) -> None:
    p = np.full(20, 0.05)
    tau = np.full(20, 0.005)
    true = p + tau * np.tile([1, -1], 10)
    counts = rng.multinomial(20_000, true, size=300)
    for tolerance in (0.005, tau):
        alarms = sum(checks.cells(row, p, alpha=0.01, tolerance=tolerance).verdict is Verdict.FAIL for row in counts)
        assert stats.binom.sf(alarms - 1, 300, 0.01) > 1e-6
    assert all(checks.cells(row, p, alpha=0.01).verdict is Verdict.FAIL for row in counts[:50])


def test_a_mass_too_large_by_the_resolution_is_seen_with_the_stated_power(
    rng: np.random.Generator, assert_rate: Callable[[int, int, float], None]
) -> None:
    p, n, power, repeats = np.full(4, 0.25), 100_000, 0.9, 600
    resolution = checks.cells(np.full(4, n // 4), p, power=power).resolution
    assert resolution is not None
    true = p + resolution * np.array([1, -1 / 3, -1 / 3, -1 / 3])
    counts = rng.multinomial(n, true, size=repeats)
    assert_rate(sum(checks.cells(row, p, power=power).verdict is Verdict.FAIL for row in counts), repeats, power)
    assert (
        checks.cells(counts[0], p, effect=0.9 * resolution, power=power, alpha=1e-300).verdict is Verdict.UNDERPOWERED
    )


@pytest.mark.parametrize("n", [10**4, 10**10])
def test_histograms_of_any_length_are_judged(n: int, rng: np.random.Generator) -> None:
    counts = rng.multinomial(n, masses_of(LAW))
    good, bad = checks.histogram(counts, LAW, faces=FACES), checks.histogram(counts, Normal(0.0, 1.3), faces=FACES)
    assert good.verdict is Verdict.PASS
    assert good.n == n
    assert bad.verdict is Verdict.FAIL


def test_a_shift_of_1e_minus_5_is_seen_with_1e12_particles(rng: np.random.Generator) -> None:
    n = 10**12
    counts = np.round(n * masses_of(Normal(1e-5, 1.0))).astype(np.int64)
    assert checks.histogram(counts, LAW, faces=FACES).verdict is Verdict.FAIL
    assert checks.histogram(np.round(n * masses_of(LAW)).astype(np.int64), LAW, faces=FACES).verdict is Verdict.PASS


def test_the_cell_that_is_wrong_is_named(rng: np.random.Generator) -> None:
    p = masses_of(LAW)
    counts = rng.multinomial(10**6, p)
    counts[7] += 2000
    result = checks.histogram(counts, LAW, faces=FACES)
    cells = result.components[1]
    assert cells.verdict is Verdict.FAIL
    assert cells.detail.startswith("[-1.5, -1.25) holds")
    assert "1 of 26 counts outside their limits" in cells.detail


def test_particles_outside_of_the_grid_are_judged_too(rng: np.random.Generator) -> None:
    counts = rng.multinomial(10**6, masses_of(LAW))
    counts[-1] += 500
    result = checks.histogram(counts, LAW, faces=FACES).components[1]
    assert result.verdict is Verdict.FAIL
    assert result.detail.startswith("x >= 3 holds")


def test_the_outer_cells_are_known_within_the_tolerance() -> None:
    """A hundredth of the mass is below the first face and should be in a later cell: F is off by 0.01 between them."""
    p = masses_of(LAW)
    p[[0, 12]] += 0.01, -0.01
    counts = np.round(10**6 * p).astype(int)
    assert checks.histogram(counts, LAW, faces=FACES, tolerance=0.01).verdict is Verdict.PASS
    assert checks.histogram(counts, LAW, faces=FACES).verdict is Verdict.FAIL


def test_nan_fails_whatever_the_rest() -> None:
    counts = np.round(10**6 * masses_of(LAW)).astype(int)
    assert checks.histogram(counts, LAW, faces=FACES).verdict is Verdict.PASS
    for result in (
        checks.histogram(counts, LAW, faces=FACES, n_bad=1),
        checks.cells(counts, masses_of(LAW), n_bad=1),
        checks.cells(np.zeros(2, dtype=int), [0.5, 0.5], n_bad=1),
    ):
        assert result.verdict is Verdict.FAIL
        assert "1 of" in result.detail


def test_an_impossible_cell_fails_with_one_particle() -> None:
    assert checks.cells(np.array([1000, 0]), [1.0, 0.0]).verdict is Verdict.PASS
    assert checks.cells(np.array([999, 1]), [1.0, 0.0]).verdict is Verdict.FAIL
    assert checks.cells(np.array([1000, 0]), [1.0, -1e-18]).verdict is Verdict.PASS


def test_too_few_particles_to_fail_are_underpowered() -> None:
    assert checks.cells(np.array([1, 1]), [0.5, 0.5]).verdict is Verdict.UNDERPOWERED


def test_a_grid_law_is_compared_at_its_own_faces(rng: np.random.Generator) -> None:
    grid = Grid.uniform((-6.0, 6.0), cells=48)
    law = CellLaw(grid, np.diff(LAW.cdf(grid.faces)))
    counts = rng.multinomial(10**7, masses_of(LAW, grid.faces))
    assert checks.histogram(counts, law, faces=grid.faces).verdict is Verdict.PASS
    lost = CellLaw(grid, 0.99 * law.masses)
    assert checks.histogram(counts, lost, faces=grid.faces).verdict is Verdict.FAIL


def test_an_observers_counts_with_atoms_on_the_faces(rng: np.random.Generator) -> None:
    """Cells hold their left ends: the absorbed sit in the first cell and, at the last face, outside."""
    law = Mixture([0.3, 0.2, 0.5], [Point(0.0), Point(1.0), Uniform(0.0, 1.0)])
    u = rng.random(100_000)
    x = np.where(u < 0.3, 0.0, np.where(u < 0.5, 1.0, rng.random(100_000)))
    faces = np.linspace(0, 1, 11)
    index = np.searchsorted(faces, x, side="right")
    inside = np.bincount(index, minlength=12)
    seen = Counts(0.0, faces[None], inside[None, 1:-1], inside[:1], inside[-1:], np.array([0]))
    assert checks.histogram(seen, law).verdict is Verdict.PASS
    spoilt = Counts(0.0, faces[None], inside[None, 1:-1], inside[:1], inside[-1:], np.array([3]))
    assert checks.histogram(spoilt, law).verdict is Verdict.FAIL
    assert checks.histogram(seen, Mixture([0.28, 0.22, 0.5], law.laws)).verdict is Verdict.FAIL
