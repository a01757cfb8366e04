"""The path integral against closed forms and against the generator, each at its stated order."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fpsde
from fpsde.density import Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck
from fpsde.fokker_planck.path_integral import evolve_by_path_integral
from fpsde.grid import Grid


def test_it_shares_no_code_with_the_generator():
    tree = ast.parse(Path(fpsde.__file__).with_name("fokker_planck").joinpath("path_integral.py").read_text())
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert "fpsde.grid" in modules and not any(name.startswith("fpsde.fokker_planck") for name in modules)


def slope(errors):
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


@pytest.mark.parametrize("name", ["OU", "OU_from_a_point", "Benes", "VP", "periodic", "reflecting", "GBM"])
def test_closed_forms_are_met_at_order_one_and_extrapolated_at_order_two(known, name):
    case = getattr(known, name)
    box, cells = case.box, 300
    if name == "GBM":
        box, cells = (0.15, 5.0), 1100
    steps = (8, 16, 32) if name not in ("VP",) else (16, 32, 64)
    plain, extrapolated = [], []
    for n in steps:
        grid = Grid.uniform(box, cells=cells)
        dt = (case.t_end - case.t_start) / n
        found = evolve_by_path_integral(case.process, grid, case.start, t_end=case.t_end, t_start=case.t_start, dt=dt)
        exact = np.diff(case.cdf(grid.faces))
        plain.append(np.abs(found.first_order.masses - exact).sum())
        extrapolated.append(np.abs(found.law.masses - exact).sum())
        assert abs(found.mass_error) < 1e-6 and found.first_order.masses.min() >= 0
        assert found.time_error == pytest.approx(0.5 * np.abs(found.first_order.masses - found.law.masses).sum())
    if name in ("periodic", "reflecting"):  # constant coefficients: the kernel is the law
        assert max(plain) < (1e-4 if name == "reflecting" else 1e-6)
        return
    assert np.all(np.abs(slope(plain) - 1) < 0.15), plain
    assert np.all(np.abs(slope(extrapolated) - 2) < 0.35), extrapolated


def test_the_two_solvers_agree_at_their_orders(stand_in):
    """U = (x^2 - 1)^2 with D = 0.25 (1 + 0.4 sin x), where nothing is known in closed form."""
    process = stand_in(lambda x, t: -4 * x * (x**2 - 1), lambda x, t: 0.25 * (1 + 0.4 * np.sin(x)))
    start = Normal(-0.8, 0.2)
    grid = Grid.uniform((-2.4, 2.4), cells=320)
    generator = [
        FokkerPlanck(process, Grid.uniform((-2.4, 2.4), cells=n))
        .evolve(start, t_end=1.0, tolerance=1e-6)
        .law.cdf(grid.faces)
        for n in (320, 640)
    ]
    limit = (4 * generator[1] - generator[0]) / 3  # of the generator, to about 1e-6
    assert np.abs(generator[1] - generator[0]).max() < 1e-3
    distances = []
    for n in (16, 32, 64, 128):
        found = evolve_by_path_integral(process, grid, start, t_end=1.0, dt=1 / n)
        distances.append(np.abs(found.law.cdf(grid.faces) - limit).max())
    assert np.all(slope(distances) > 1.7), distances
    assert distances[-1] < 1e-4
    for wrong in (
        replace(process, d=lambda x, t: 2 * process.d(x, t)),
        replace(process, drift=lambda x, t: process.drift(x, t) + 0.1 * np.cos(x)),  # D' of another convention
    ):
        other = evolve_by_path_integral(wrong, grid, start, t_end=1.0, dt=1 / 128)
        assert np.abs(other.law.cdf(grid.faces) - limit).max() > 50 * distances[-1]


def test_more_cells_are_worth_nothing_once_they_resolve_the_kernel(known):
    case = known.Benes
    masses = []
    for cells in (210, 420):
        grid = Grid.uniform(case.box, cells=cells)
        masses.append(
            evolve_by_path_integral(case.process, grid, case.start, t_end=case.t_end, dt=0.1).law.cdf(
                grid.faces[:: cells // 210]
            )
        )
    assert np.abs(masses[0] - masses[1]).max() < 1e-11


def test_what_it_cannot_do_is_refused_with_numbers(known, stand_in):
    ou = stand_in(lambda x, t: -x, lambda x, t: 1.0, name="OU")
    grid = Grid.uniform((-7, 7), cells=100)
    for process, where, options, message in (
        (None, grid, {"dt": 0.1}, r"evolve_by_path_integral takes a Process and a Grid, not NoneType and Grid"),
        (
            ou,
            Grid.uniform((-2, 2), (-2, 2), cells=4),
            {"dt": 0.1},
            r"has 1 dimension\(s\) and the grid 2; .* one of each",
        ),
        (
            ou,
            grid,
            {"dt": 1e-3},
            r"dt=0\.001 makes a kernel of width sqrt\(2 D dt\)=0\.0447 at x=.*below 1 cell of 0\.14",
        ),
        (ou, grid, {"dt": 0.3}, r"dt=0\.3 does not divide"),
        (
            ou,
            Grid.uniform((-2, 2), cells=50),
            {"dt": 0.1},
            r"0\.107 of the mass of OU is not on the grid \[-2\.0, 2\.0\]",
        ),
        (ou, Grid((np.linspace(-3, 3, 40) ** 3,)), {"dt": 0.1}, r"cells have widths from \S+ to \S+; .* equal"),
        (
            replace(ou, domain=Interval.between(-7, 7, Wall.ABSORBING)),
            grid,
            {"dt": 0.1},
            "OU has an absorbing wall",
        ),
        (
            known.periodic.process,
            Grid.uniform((0, 1), cells=50),
            {"dt": 1.0},
            r"reaches 4\.15, 3 times round or across",
        ),
    ):
        with pytest.raises(InvalidInput, match=message):
            evolve_by_path_integral(process, where, 0.5, t_end=1.0, **options)
