"""The lazy public face of fpsde."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import fpsde
from fpsde.grid import Grid

HEAVY = {"numpy", "numba", "llvmlite", "sympy", "scipy", "matplotlib", "rich", "cupy", "torch"}


def modules_after(statement: str) -> set[str]:
    """Return the names of the modules that a new process holds after a statement."""
    return set(json.loads(printed(f"{statement}\nprint(json.dumps(list(sys.modules)))")))


def printed(code: str) -> str:
    """Return what a new process prints."""
    program = [sys.executable, "-c", f"import json, sys\n{code}"]
    return subprocess.run(program, capture_output=True, text=True, check=True).stdout.strip()


def test_import_fpsde_loads_no_heavy_module():
    assert not modules_after("import fpsde") & HEAVY


def test_using_a_name_loads_what_it_needs_and_this_test_sees_it():
    assert "numpy" in modules_after("import fpsde; fpsde.Grid")


def test_who_solves_a_line_loads_nothing_of_planes_schemes_or_batches_and_this_test_sees_them():
    rest = {"fpsde.schemes", "fpsde.fokker_planck.plane.solver", "fpsde.fokker_planck.batch"}
    solve = """
import fpsde
solver = fpsde.FokkerPlanck(fpsde.double_well(0.25), fpsde.Grid.uniform((-2.2, 2.2), cells=40))
law = solver.stationary().law
before = sorted(sys.modules)
fpsde.FokkerPlanck(fpsde.rotating_ou(), fpsde.Grid.uniform((-4, 4), (-4, 4), cells=8))
print(json.dumps(before))
"""
    before, after = (
        set(json.loads(line)) for line in printed(solve + "print(json.dumps(sorted(sys.modules)))").split("\n")
    )
    assert not before & rest
    assert after & rest == {"fpsde.fokker_planck.plane.solver"}


def test_import_fpsde_costs_less_than_import_numpy():
    bare = modules_after("pass")
    assert len(modules_after("import fpsde") - bare) < 0.5 * len(modules_after("import numpy") - bare)


@pytest.mark.parametrize("name", fpsde.__all__)
def test_every_public_name_is_there(name):
    assert getattr(fpsde, name) is not None
    assert name in dir(fpsde)


def test_a_public_name_is_the_object_of_its_module():
    assert fpsde.Grid is Grid


def test_star_import_gives_every_public_name():
    namespace: dict[str, object] = {}
    exec("from fpsde import *", namespace)
    assert set(fpsde.__all__) <= set(namespace)


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(AttributeError, match=r"unknown name in fpsde 'Gird': did you mean 'Grid'\? known are .*Law"):
        _ = fpsde.Gird
    assert not hasattr(fpsde, "nonesuch")


def test_a_process_that_goes_by_its_name_alone_is_offered_so():
    with pytest.raises(
        AttributeError, match=r"'brownian_reflecting': did you mean fpsde\.process_named\('brownian_ref"
    ):
        _ = fpsde.brownian_reflecting
    assert fpsde.process_named("brownian_reflecting").intervals[0].walled
    assert not modules_after("import fpsde; hasattr(fpsde, '__wrapped__')") & HEAVY
