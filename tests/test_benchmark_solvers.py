"""The solvers' benchmark: its references, its search on errors that are known, and a small run end to end."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
FIRST_LEVEL, LAST_LEVEL = 1e-1, 1e-2


@pytest.fixture(scope="module")
def modules() -> Iterator[tuple[ModuleType, ModuleType]]:
    """The script and the file of the other methods, imported as the script imports them."""
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("fokker_planck"), importlib.import_module("fokker_planck_peers")
    sys.path.remove(str(BENCHMARKS))


def test_the_expansion_that_serves_as_reference_gives_the_closed_form_where_there_is_one(modules):
    script, peers = modules
    ou, well = script.PROBLEMS
    faces = ou.faces(100)
    expanded = peers.sinc_expansion(ou, faces)  # zero at the ends of the box, which costs e^(-7^2 / 2) = 2e-11
    np.testing.assert_allclose(expanded, peers.gaussian(ou, faces), rtol=0, atol=1e-11)
    coarse, fine = (peers.sinc_expansion(well, well.faces(50), points) for points in (240, 300))
    assert np.abs(coarse - fine).sum() < 1e-9 and fine.sum() == pytest.approx(1, abs=1e-9)
    assert 0.02 < fine[25:].sum() < 0.48  # neither where it began nor at equilibrium


@pytest.mark.parametrize("problem", [0, 1])
def test_every_method_of_scipy_solves_the_problem_of_fpsde(modules, problem):
    script, peers = modules
    p = script.PROBLEMS[problem]
    ours = script.by_fpsde(p, 64, 1)()
    assert p.error(ours) < 1e-2
    for method, steps in peers.SCIPY.values():
        found = method(p, 64, steps[-2:][0])()
        assert np.abs(found - ours).sum() < 1e-3  # one operator, other ways through time
    up, down = peers.rates(p, 64)
    q = script.FokkerPlanck(script.PROCESSES[p.name], script.Grid.uniform(p.box, cells=64)).generator()
    np.testing.assert_allclose(up, q.right[:-1], rtol=1e-9)
    np.testing.assert_allclose(down, q.left[1:], rtol=1e-9)


def test_search_takes_the_cheapest_run_that_reaches_an_error_and_reports_what_fails(modules):
    script, _ = modules
    p = script.PROBLEMS[0]
    tried = []

    def method(problem, cells, steps):
        tried.append((cells, steps))
        exact = problem.exact(problem, problem.faces(cells))
        return lambda: exact + 0.05 / cells / steps

    found = script.search("stub", method, (1, 10, 100), p, script.QUICK)
    assert tried[0] == (32, 1) and found.failure == ""  # 0.05 and 0.005 reach both errors on the first grid
    assert {level: f.steps for level, f in found.cheapest.items()}[1e-2] >= 10
    assert all(f.error <= level for level, f in found.cheapest.items())

    def broken(problem, cells, steps):
        raise RuntimeError("no such grid")

    lost = script.search("broken", broken, (1,), p, script.QUICK)
    assert lost.cheapest == {} and lost.failure == "RuntimeError: no such grid"
    wrong = script.search("wrong", lambda problem, cells, steps: lambda: np.zeros(cells), (1,), p, script.QUICK)
    assert wrong.cheapest == {}  # an error of 1 reaches nothing


@pytest.fixture(scope="module")
def quick() -> tuple[dict, str]:
    """The record and the tables of a small run."""
    command = [sys.executable, str(BENCHMARKS / "fokker_planck.py"), "--quick", "--json", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_a_quick_run_measures_ours_and_scipy_and_reports_missing_packages(quick):
    record, tables = quick
    assert len(record["problems"]) == 2
    for problem in record["problems"]:
        assert problem["searches"]["fpsde"]["failure"] == ""
        levels = {float(c["name"].split()[-1]) for c in problem["contests"]}
        assert levels == {FIRST_LEVEL, LAST_LEVEL}
        for contest in problem["contests"]:
            assert contest["timings"][0]["name"] == "fpsde" and contest["timings"][0]["rate"]["low"] > 0
        for level, reached in problem["searches"]["fpsde"]["reached"].items():
            assert reached["error"] <= float(level)
        assert problem["growth"]["ns_per_cell"] > 0 and len(problem["growth"]["cells"]) == 4
    assert record["goals"] and all(math.isfinite(g["measured"]) and g["bound"] > 0 for g in record["goals"])
    assert record["environment"]["versions"]["scipy"] and record["environment"]["cores_used"] >= 1
    for name in ("py-pde", "fplanck", "FiPy", "pychangcooper"):
        assert (f"{name}: reported as missing" in tables) == (name in record["missing"])
        assert name in record["missing"] or record["environment"]["versions"][name]
