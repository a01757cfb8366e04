"""Long lines on a GPU, cut into pieces: the numbers of the CPU, every digit of the far tails included.

No GPU is needed: the CUDA text is compiled by g++ (``emulated_gpu.py``).
"""

from __future__ import annotations

import numpy as np
import pytest
from emulated_gpu import NEEDS_COMPILER, compiler_is_missing

from fpsde.fokker_planck import Generator, sweeps_in_pieces
from fpsde.fokker_planck.sweeps import SweepsOnCpu, SweepsOnGpu
from fpsde.fokker_planck.sweeps_in_pieces import CUT, SweepsInPieces, best_pieces, sweeps_on_gpu
from fpsde.fokker_planck.tridiagonal import STAGE
from fpsde.grid import Grid

pytestmark = pytest.mark.skipif(compiler_is_missing(), reason=NEEDS_COMPILER)


def steps_of(lines, masses, dt):
    """Return the masses, and what entered the walls, after steps of backward Euler and of TR-BDF2."""
    start = lines.load(masses)
    lost = lines.backward_euler(dt, start)
    new, entered = lines.tr_bdf2(STAGE * dt, start)
    return [lines.lines(one) for one in (start, lost, new, entered)]


def random_lines(m, n, ring):
    """Return rates that differ by decades, and masses that are all in one cell."""
    rng = np.random.default_rng(n)
    rates, exits, masses = 10.0 ** rng.uniform(-2, 2, (m, 2, n)), rng.uniform(0.2, 0.9, (m, 2)), np.zeros((m, n))
    masses[np.arange(m), rng.integers(0, n, m)] = 1.0
    if ring:
        return rates, np.zeros((m, 2)), masses
    rates[:, 0, 0] = rates[:, 1, -1] = 0.0
    return rates, exits, masses


#: Cells that pieces share out evenly, and with a rest: 64 = 8 * 8, 67 = 8 * 8 + 3.
@pytest.mark.parametrize(
    "n", [64, 67, pytest.param(300, marks=pytest.mark.slow), pytest.param(17, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("ring", [False, True])
def test_steps_in_pieces_are_those_of_whole_lines(n, ring, emulated):
    given = random_lines(5, n, ring)
    found, expected = (
        steps_of(lines, given[2], 0.3)
        for lines in (SweepsInPieces(*given[:2], emulated, fast=False), SweepsOnCpu(*given[:2]))
    )
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12)  # every mass to its own digits: nothing is subtracted
    for one, other in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)
    assert expected[0].min() < 1e-9 and best_pieces(n) > 1
    (left, right), exits = given[0][0], given[1][0]
    q = Generator(Grid.uniform((0, 1), cells=n), left, right, tuple(exits.tolist()), np.zeros(n - 1), ring).dense()
    np.testing.assert_allclose(found[0][0], np.linalg.solve(np.eye(n) - 0.3 * q, given[2][0]), rtol=0, atol=1e-12)


def test_a_wrong_end_of_a_piece_is_seen(emulated, texts, monkeypatch):
    monkeypatch.setattr(sweeps_in_pieces, "program_in_pieces", lambda: texts.wrong_pieces)
    given = random_lines(2, 64, False)
    found = steps_of(SweepsInPieces(*given[:2], emulated, fast=False), given[2], 0.3)
    assert np.abs(found[0] - steps_of(SweepsOnCpu(*given[:2]), given[2], 0.3)[0]).max() > 1e-3


def test_few_long_lines_are_cut_and_others_are_not(emulated, monkeypatch):
    monkeypatch.setattr(sweeps_in_pieces, "ENOUGH_LINES", 4)
    few, short = (np.ones((3, 2, n)) for n in (CUT, CUT - 1))
    assert type(sweeps_on_gpu(few, np.zeros((3, 2)), emulated, fast=False)) is SweepsInPieces
    assert type(sweeps_on_gpu(short, np.zeros((3, 2)), emulated, fast=False)) is SweepsOnGpu
    many = np.ones((4, 2, CUT))
    assert type(sweeps_on_gpu(many, np.zeros((4, 2)), emulated, fast=False)) is SweepsOnGpu


def test_pieces_are_cut_where_the_fewest_cells_follow_one_another():
    assert [best_pieces(n) for n in (64, 100, 1024)] == [8, 10, 32]
