"""``fpsde fokker-planck``: the numbers with bars that hold, JSON, the picture, and errors that help."""

from __future__ import annotations

import json

import numpy as np
import pytest
from matplotlib.image import imread

from fpsde.cli import main
from fpsde.commands.fokker_planck_questions import _axis_through, passage, passage_estimate, solver_of, with_bar
from fpsde.commands.plane_figure import plane_figure
from fpsde.commands.solution_figure import solution_figure
from fpsde.fokker_planck import Estimate, FokkerPlanck, estimate_refined
from fpsde.grid import Grid
from fpsde.processes import double_well, rotating_ou, underdamped_washboard


def run(*arguments):
    return main(["fokker-planck", *arguments])


ISSUE = ["double_well", "--set", "temperature=0.25", "--stationary", "--modes", "4", "--passage", "-1", "0"]
#: Of U = (x^2 - 1)^2 at kT = 1/4, each by another method in tests/fokker_planck.
VARIANCE, RATES, TIME = 0.9176708607, [0.02977959331, 3.310394064, 5.512240298], 33.94574429


def test_the_numbers_of_the_double_well_lie_within_their_error_bars(capsys) -> None:
    assert run(*ISSUE, "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    assert {"stationary_moments", "eigenvalues", "passage_time", "errors"} <= found.keys()
    bars = found["errors"]
    assert abs(found["stationary_moments"]["variance"] - VARIANCE) <= bars["stationary_moments"]["variance"] < 1e-8
    assert len(found["eigenvalues"]) == len(bars["eigenvalues"]) == 4
    for rate, bar, exact in zip(found["eigenvalues"], bars["eigenvalues"], RATES, strict=False):
        assert abs(rate - exact) <= bar + 1e-9 * exact and bar < 1e-7
    assert abs(found["passage_time"] - TIME) <= bars["passage_time"] < 1e-4
    assert found["parameters"] == {"temperature": 0.25} and found["doubts"] == []
    assert found["provenance"]["grid"]["cells"] == 400


def test_another_temperature_leaves_the_bars(capsys) -> None:
    assert run(*ISSUE[:2], "temperature=0.251", *ISSUE[3:], "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    assert abs(found["passage_time"] - TIME) > 100 * found["errors"]["passage_time"]
    assert abs(found["eigenvalues"][0] - RATES[0]) > 100 * found["errors"]["eigenvalues"][0]


def test_the_table_shows_values_bars_and_orders(capsys) -> None:
    assert run(*ISSUE) == 0
    shown = capsys.readouterr().out
    for text in ("stationary variance", "lambda_4 [1/time]", "mean passage time", "33.9457", "error bar", "2.00"):
        assert text in shown
    assert "grid:" not in shown


def test_a_folder_gets_the_numbers_and_a_picture(tmp_path, capsys) -> None:
    assert run(*ISSUE, "--cells", "100", "--out", str(tmp_path / "out")) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"fokker_planck.json", "fokker_planck.png"}
    picture = imread(tmp_path / "out" / "fokker_planck.png")
    assert picture.shape[0] > 800 and picture[..., :3].std() > 0.05
    assert json.loads((tmp_path / "out" / "fokker_planck.json").read_text())["eigenvalues"]
    one = tmp_path / "one"
    assert run("double_well", "--modes", "1", "--cells", "100", "--out", str(one)) == 0
    assert imread(one / "fokker_planck.png").shape[0] < 500  # one panel for one thing


def estimate(*value: float, error: float = 0.0) -> Estimate:
    return Estimate(np.array(value), np.full(len(value), error), np.ones(len(value)))


def test_pictures_give_the_numbers_of_the_table_and_not_those_of_one_grid() -> None:
    """Numbers that no grid gives are asked for, and are there."""
    asked = {
        "stationary_moments": estimate(0.1, 0.8765, 0.3, 0.4, 0.9876, error=0.002),
        "eigenvalues": estimate(0.709, 8.07, error=3e-3),
        "passage_time": Estimate(np.array(67.8), np.array(0.2), np.array(2)),
    }
    line = FokkerPlanck(double_well(0.5), Grid.uniform((-2.6, 2.6), cells=60))
    figure = solution_figure(line, asked, modes=2, passage=[-1.0, 0.0])
    labels = [label for panel in figure.axes for label in panel.get_legend_handles_labels()[1]]
    assert labels == [
        r"$\lambda_1$ = 0.709 $\pm$ 0.003", r"$\lambda_2$ = 8.07 $\pm$ 0.003", r"from -1: 67.8 $\pm$ 0.2", "target 0"
    ]  # fmt: skip
    assert figure.axes[0].get_title() == r"stationary law; variance 0.8765 $\pm$ 0.002"
    assert figure.axes[2].lines[1].get_ydata() == [line.passage_time(-1.0, 0.0).mean]  # the dot lies on the curve
    pair = Estimate(np.array([[1.23, 4.56], [1.23, -4.56]]), np.full((2, 2), 0.02), np.ones((2, 2)))
    plane = FokkerPlanck(rotating_ou(), Grid.uniform((-6.4, 6.4), (-6.4, 6.4), cells=18))
    maps = plane_figure(plane, ("x", "y"), asked | {"eigenvalues": pair}, modes=2, passage_from=[0.5, 0.0, 2.1])
    titles = [panel.get_title() for panel in maps.axes if panel.get_title()]
    assert titles == [
        r"stationary law; variances 0.3 $\pm$ 0.002, 0.9876 $\pm$ 0.002",
        r"mode: $\lambda_1$ = (1.23 $\pm$ 0.02) $\pm$ (4.56 $\pm$ 0.02)i",
        r"mean time until x = 2.1; from the dot: 67.8 $\pm$ 0.2",
    ]
    drawn = maps.axes[2].collections[0]  # a time may jump at its target: that map ends there, and others do not
    assert drawn.get_coordinates()[..., 0].max() == pytest.approx(2.1) and drawn.get_array().min() > 0
    assert maps.axes[0].collections[0].get_coordinates()[..., 0].max() == 6.4 < maps.axes[2].get_xlim()[1]


def test_bars_in_pictures_have_the_two_digits_of_the_table() -> None:
    bars = [with_bar(98.318, error).split()[-1] for error in (0.0025, 2.5e-7, 1.25, 11.4)]
    assert bars == ["0.0025", "2.5e-07", "1.2", "11"]


def test_no_equation_above_maps_is_broken_or_wider_than_the_picture() -> None:
    """The longest line of the catalogue, above one map."""
    process = underdamped_washboard()
    plane = FokkerPlanck(process, Grid.uniform((0.0, 2 * np.pi), (-6, 6), cells=20))
    moments = {"stationary_moments": estimate(0.1, 0.9, 0.3, 0.4, 0.5, error=0.002)}
    figure = plane_figure(plane, ("x", "v"), moments, modes=None, passage_from=None)
    title = figure.get_suptitle().splitlines()
    assert title == ["underdamped_washboard:", *process.equation.split(",  ")] and len(title) == 3
    (heading,) = figure.texts
    assert 0.9 < heading.get_window_extent().width / figure.bbox.width < 1
    heading.set_fontsize(10)
    assert heading.get_window_extent().width > figure.bbox.width  # it would not have had room


def test_a_driven_ring_has_rates_with_two_parts(capsys) -> None:
    assert run("washboard", "--modes", "1", "--cells", "40", "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    (real, up), (same, down) = found["eigenvalues"]
    assert real == same and up == -down > 0.3
    assert run("washboard", "--modes", "1", "--cells", "40") == 0
    assert "Im lambda_2 [1/time]" in capsys.readouterr().out


KRAMERS = ["duffing_well", "--dynamics", "underdamped", "--modes", "1", "--cells", "20", "--window", "-2", "2"]


def test_two_components_have_moments_rates_and_passages_within_their_bars(capsys) -> None:
    """dX = -X + Y, dY = -X - Y with D = 1: covariance 1, rates 1 +- i."""
    arguments = ["rotating_ou", "--stationary", "--modes", "2", "--passage", "0.5", "0", "2.1", "--cells", "20"]
    assert run(*arguments, "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    bars = found["errors"]
    for i, j in np.ndindex(2, 2):
        bar = bars["stationary_moments"]["covariance"][i][j]
        assert abs(found["stationary_moments"]["covariance"][i][j] - (i == j)) <= bar < 1e-3
    assert np.all(np.abs(found["stationary_moments"]["mean"]) <= bars["stationary_moments"]["mean"])
    off = np.abs(np.array(found["eigenvalues"]) - [[1, 1], [1, -1]])
    assert np.all(off <= bars["eigenvalues"]) and np.max(bars["eigenvalues"]) < 5e-3
    solver = FokkerPlanck(rotating_ou(), Grid.uniform((-6.4, 6.4), (-6.4, 6.4), cells=100))
    exact = solver.passage_time((0.5, 0.0), lambda x, y: 2.1 - x).mean
    assert abs(found["passage_time"] - exact) <= bars["passage_time"] + 1e-3 * exact
    assert [axis["cells"] for axis in found["provenance"]["grid"]] == [20, 20]
    assert found["parameters"]["omega"] == 1.0
    assert run("rotating_ou", "--set", "omega=1.05", "--modes", "1", "--cells", "20", "--json", "-") == 0
    other = json.loads(capsys.readouterr().out)
    assert abs(other["eigenvalues"][0][1] - 1) > 10 * other["errors"]["eigenvalues"][0][1]


def test_start_and_target_of_a_passage_lie_at_faces_of_cells_no_wider() -> None:
    wide = np.linspace(-6.4, 6.4, 41)
    for numbers in ((2.1, 0.5), (2.1, 2.0), (-0.3,)):  # far apart; less than a cell; one alone
        faces = _axis_through(wide, *numbers)
        widths, offsets = np.diff(faces), np.abs(np.subtract.outer(numbers, faces)).min(axis=1)
        assert widths.max() < wide[1] - wide[0] + 1e-12 and np.ptp(widths) < 1e-12
        assert faces[0] <= wide[0] and wide[-1] <= faces[-1] and faces[-1] - faces[0] < 12.8 + 2 * 0.32
        assert offsets[0] < 1e-12 and (offsets[-1] < 1e-12) == (numbers != (2.1, 2.0))


@pytest.mark.slow
def test_the_bar_of_a_passage_holds_with_the_level_at_a_face_and_not_between_faces() -> None:
    """The grid of the command without --cells: errors that depend on where a cell is cut do not shrink regularly."""
    solver, numbers = solver_of(rotating_ou(), None, None), (0.5, 0.0, 2.1)
    found = passage_estimate(solver, numbers)
    exact = passage(solver_of(rotating_ou(), None, [400]), numbers).mean  # off by 2e-4
    assert abs(found.value - exact) <= found.error < 5e-3
    between = estimate_refined(solver, lambda fp: fp.passage_time((0.5, 0.0), lambda x, y: 2.1 - x).mean)
    assert between.error < 1e-4 < 5e-4 < abs(between.value - exact)


def test_underdamped_dynamics_in_a_well_have_the_rate_of_klein_and_kramers(capsys) -> None:
    """lambda_1 = 0.02251921 in x^4/4 - x^2/2 at kT = 0.1, friction 1 (a sinc and Hermite basis), at order 1."""
    for temperature, inside in ((0.1, True), (0.12, False)):
        assert run(*KRAMERS, "-2.2", "2.2", "--set", f"temperature={temperature}", "--json", "-") == 0
        found = json.loads(capsys.readouterr().out)
        rate, bar, order = (np.ravel(one["eigenvalues"])[0] for one in (found, found["errors"], found["orders"]))
        assert (abs(rate - 0.02251921) <= bar) == inside and bar < 0.15 * rate
        assert 0.75 < order < 1.3


def test_two_components_get_their_names_a_table_and_maps(tmp_path, capsys) -> None:
    arguments = [*KRAMERS[:5], "--stationary", "--passage", "-1", "0", "0", "--cells", "12", "--window", "-2.9", "2.9"]
    assert run(*arguments, "-5", "5", "--out", str(tmp_path)) == 0
    shown = capsys.readouterr().out
    for text in ("stationary variance of v", "stationary covariance of x, v", "lambda_1 [1/time]", "mean passage time"):
        assert text in shown
    picture = imread(tmp_path / "fokker_planck.png")
    assert picture.shape[0] > 600 and picture.shape[1] > 900 and picture[..., :3].std() > 0.05


def test_a_grid_that_is_too_coarse_is_said_to_be(capsys) -> None:
    assert run("double_well", "--stationary", "--modes", "9", "--cells", "24") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "grid: the Peclet number reaches" in shown and "correlation length has" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["double_well"], "nothing was asked for; give --stationary, --modes N or --passage X0 TARGET"),
        (["dubble_well", "--stationary"], "did you mean 'double_well'"),
        (["double_well", "--set", "temprature=1", "--stationary"], "did you mean 'temperature'"),
        (["lorenz", "--stationary"], "lorenz has 3 components; this command solves processes of one or two"),
        (["mueller_brown", "--stationary"], "has no window that holds its mass; give --window LOW HIGH LOW HIGH"),
        (["rotating_ou", "--stationary", "--window", "-5", "5"], "--window -5 5: rotating_ou has 2 component(s)"),
        (["rotating_ou", "--stationary", "--cells", "9", "9", "9"], "--cells 9 9 9: rotating_ou has 2 component(s)"),
        (["rotating_ou", "--passage", "0.5", "1.5"], "--passage 0.5 1.5: rotating_ou has 2 component(s)"),
        (["rotating_ou", "--passage", "0.5", "0", "0.5"], "x0=0.5 lies in the target"),
        (["rotating_ou", "--passage", "0.5", "0", "9"], "target=9.0 does not lie on the grid"),
        (
            ["underdamped_washboard", "--passage", "1", "0", "2", "--window", "0", "6.283185307179586", "-5", "5"],
            "turns on a ring, where a level has no two sides",
        ),
        (["double_well", "--set", "friction=2", "--stationary"], "double_well has no friction; add --dynamics"),
        (["double_well", "--passage", "-1", "0", "0"], "--passage -1 0 0: double_well has 1 component(s)"),
        (["double_well", "--modes", "0"], "--modes=0 must be at least 1"),
        (["double_well", "--passage", "-1", "7"], "target=7.0 does not lie on the grid"),
        (["double_well", "--passage", "0", "0"], "x0=0.0 lies in the target"),
        (["double_well", "--stationary", "--cells", "2"], "cells=2 must be at least 3"),
        (["double_well", "--stationary", "--window", "-1", "1"], "does not hold double_well"),
        (["variance_preserving", "--stationary"], "depends on time and has no stationary law"),
        (["brownian_absorbing", "--stationary"], "is absorbed at a wall"),
        (["brownian_absorbing", "--passage", "0.3", "1"], "may end at an absorbing wall"),
        (["double_well", "--stationary", "--json", "/nonexistent/x.json"], "cannot be written"),
    ],
)
def test_bad_input_exits_with_two_and_says_what_to_do(arguments, message, capsys) -> None:
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err
