"""The matrix of planted bugs: every defect is found, no right code is flagged; a handful of each in the fast tests."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from fpsde import audit
from fpsde.checks import Verdict

BENCHMARKS = str(Path(__file__).parent.parent / "benchmarks")


@pytest.fixture(scope="module")
def matrix():
    sys.path.insert(0, BENCHMARKS)
    yield importlib.import_module("planted_bugs")
    sys.path.remove(BENCHMARKS)


def picked(matrix, names):
    found = {(one.family, one.name): one for one in matrix.PLANTED}
    return [matrix.row_of(found[name]) for name in names]


def test_there_are_enough_of_both_and_no_name_twice(matrix) -> None:
    planted = matrix.PLANTED
    assert sum(not one.right for one in planted) >= 60 and sum(one.right for one in planted) >= 15
    assert len({(one.family, one.name) for one in planted}) == len(planted)
    assert all(one.source for one in planted)


def test_sixty_defects_cite_the_report_of_a_repository_by_its_number(matrix) -> None:
    cited = [one.source for one in matrix.PLANTED if not one.right and re.search(r"\w #\d", one.source)]
    assert len(cited) >= 60 and len(set(cited)) >= 55


@pytest.mark.slow  # right steps go through all levels
def test_the_claims_that_reported_defects_break_hold_for_right_steps(matrix) -> None:
    reported = matrix.reported
    h, root = reported.H, np.sqrt(reported.H)
    pull, scale = reported.PRECONDITIONER[:, None] * reported.STIFF, np.sqrt(2 * reported.PRECONDITIONER)[:, None]
    drag, spread = reported.DRAG, np.sqrt(2 * reported.KT / reported.DRAG)
    # kinetic: the Ito drift has dD/dx of D = (1 + cos(x)/2)/2 besides
    right = {
        reported.exact_claim: lambda x, i, z: reported.exact(x, z),
        reported.brownian_claim: lambda x, i, z: x + 0.5 * h + 0.8 * root * z,
        reported.free_claim: lambda x, i, z: x + 0.8 * root * z,
        reported.dragged_claim: lambda x, i, z: x - x / drag * h + spread * root * z,
        reported.kinetic_claim: lambda x, i, z: (
            x + (-x - 0.25 * np.sin(x)) * h + np.sqrt(1 + 0.5 * np.cos(x)) * root * z
        ),
        reported.preconditioned_claim: lambda x, i, z: x - h * pull @ x + scale * root * z,
    }
    for claim, step in right.items():
        assert audit.step(step, claim(), n=reported.SMALL).verdict is Verdict.PASS, claim.__name__
    assert audit.drawn_step(reported.heun, reported.ou_claim("heun"), n=10_000).verdict is Verdict.PASS


def test_a_handful_of_defects_is_found_and_right_codes_pass(matrix, tmp_path) -> None:
    rows = picked(
        matrix,
        [
            ("integrator", "dt of N - 1 intervals"),
            ("random numbers", "seed ignored"),
            ("langevin", "temperature 2 % too high"),
            ("schedule", "beta in single precision"),
            ("sampler", "t - 1 for the previous selected step"),
            ("loss", "min(snr, gamma) without / snr"),
            ("graded", "noise 0.1 % too large, step(x, i, z)"),
            ("right", "another root of the covariance"),
            ("right", "all steps at once"),
            ("right", "alpha_bar in single precision"),
        ],
    )
    assert [row.as_it_should for row in rows] == [True] * len(rows)
    assert matrix.score(rows) == "7 of 7 defects found, 3 of 3 right codes pass"
    assert rows[0].quantity == "step grid" and rows[6].level == "affine probe"
    matrix.figure_of(rows).savefig(tmp_path / "matrix.png")
    # negative control: were a defect called right, the score and the picture would say so
    flagged = matrix.Row(rows[7].planted, Verdict.FAIL, "algebra", None, "", 0.0)
    assert not flagged.as_it_should and matrix.score([flagged]) == "0 of 0 defects found, 0 of 1 right codes pass"


@pytest.mark.slow
def test_every_defect_is_found_and_no_right_code_is_flagged(matrix, tmp_path, monkeypatch, capsys) -> None:
    assert matrix.main(["--out", str(tmp_path)]) == 0
    assert (tmp_path / "planted_bugs.json").exists() and (tmp_path / "planted_bugs.png").stat().st_size > 50_000
