"""The benchmark of the solvers: its references, what each method reaches, its searches, and small runs end to end."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from scipy import sparse, special
from scipy.integrate import solve_ivp, trapezoid

from fpsde.errors import InvalidInput
from fpsde.fokker_planck import speed_measure

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
MODULES = (
    "central", "driven", "driven_law", "growth", "kramers", "line", "packages", "passage", "plane", "race", "stationary"
)  # fmt: skip


@pytest.fixture(scope="module")
def modules() -> Iterator[SimpleNamespace]:
    """The script and the files of the rows, imported as the script imports them."""
    sys.path.insert(0, str(BENCHMARKS))
    rows = {name: importlib.import_module(f"solvers.{name}") for name in MODULES}
    yield SimpleNamespace(script=importlib.import_module("fokker_planck"), **rows)
    sys.path.remove(str(BENCHMARKS))


def line_problems(line: ModuleType) -> tuple:
    return line.ORNSTEIN_UHLENBECK, line.DOUBLE_WELL


def of_kind(race, kind):
    return {m.name: m for m in race.methods if m.kind is kind}


def test_the_expansion_that_serves_as_reference_gives_the_closed_form_where_there_is_one(modules):
    ou, well = line_problems(modules.line)
    faces = ou.faces(100)
    expanded = modules.line.sinc_expansion(ou, faces)  # zero at the ends of the box, which costs e^(-7^2 / 2) = 2e-11
    np.testing.assert_allclose(expanded, modules.line.gaussian(ou, faces), rtol=0, atol=1e-11)
    coarse, fine = (modules.line.sinc_expansion(well, well.faces(50), points) for points in (240, 300))
    assert np.abs(coarse - fine).sum() < 1e-9 and fine.sum() == pytest.approx(1, abs=1e-9)
    assert 0.02 < fine[25:].sum() < 0.48  # neither where it began nor at equilibrium


@pytest.mark.parametrize("problem", [0, 1])
def test_every_method_of_scipy_solves_the_problem_of_fpsde_on_a_line(modules, problem):
    line, p = modules.line, line_problems(modules.line)[problem]
    ours = line.by_fpsde(p, 64, 1)()
    assert p.error(ours) < 1e-2
    for name, method in of_kind(line.race(p), modules.race.Kind.SCIPY).items():
        found = method.prepare(64, method.efforts[-2:][0])()
        exact_in_space = "order 4" in name or "sinc" in name
        assert np.abs(found - ours).sum() < (1e-2 if exact_in_space else 1e-3), name  # else one operator
    up, down = line.rates(p, 64)
    q = line.FokkerPlanck(p.process, line.Grid.uniform(p.box, cells=64)).generator()
    np.testing.assert_allclose(up, q.right[:-1], rtol=1e-9)
    np.testing.assert_allclose(down, q.left[1:], rtol=1e-9)


@pytest.mark.parametrize("problem", [0, 1])
def test_ours_and_the_methods_of_high_order_reach_the_smallest_error_on_a_line(modules, problem):
    line, p = modules.line, line_problems(modules.line)[problem]
    assert p.error(line.by_fpsde(p, 2048, 1)()) < 1e-5 < 1e-4 < p.error(line.by_fpsde(p, 192, 1)())
    assert p.error(line.by_fpsde_to_high_order(p, 192, 1)()) < 1e-5
    assert p.error(line.sinc_collocation(p, 64, 1)()) < 1e-5
    rational = of_kind(line.race(p), modules.race.Kind.SCIPY)["SciPy, order 4, rational"]
    coarse, fine = (p.error(rational.prepare(cells, 1)()) for cells in (192, 384))
    assert 13 < coarse / fine < 19 and fine < 1e-5  # order 4


def test_central_differences_are_of_their_order_and_averages_are_means_over_cells(modules):
    box, errors = [(-6.0, 6.0), (-5.0, 5.0)], []
    D = np.array([[1.0, 0.3], [0.3, 0.5]])
    for cells in (40, 80):
        x, y = np.meshgrid(*modules.central.centres(box, cells), indexing="ij")
        p = np.exp(-(x**2) - y**2 - x * y)
        q = modules.central.order_four(box, cells, lambda x, y: (-x, 0.5 * x), D)
        px, py = -(2 * x + y) * p, -(2 * y + x) * p
        pxx, pyy = (-2 + (2 * x + y) ** 2) * p, (-2 + (2 * y + x) ** 2) * p
        exact = p + x * px - 0.5 * x * py + pxx + 0.6 * (-1 + (2 * x + y) * (2 * y + x)) * p + 0.5 * pyy
        errors.append(np.abs(q @ p.ravel() - exact.ravel()).max())
    assert 14 < errors[0] / errors[1] < 18
    faces = np.linspace(-8, 8, 61)
    centres, h = 0.5 * (faces[1:] + faces[:-1]), faces[1] - faces[0]
    means = np.diff([math.erf(x) for x in faces]) * math.sqrt(math.pi) / 2 / h
    np.testing.assert_allclose(modules.central.averages(np.exp(-(centres**2))), means, atol=1e-13)
    np.testing.assert_allclose(modules.central.averages(means, -1), np.exp(-(centres**2)), atol=1e-13)


def test_the_law_in_the_plane_has_the_moments_that_follow_from_the_equation(modules):
    plane, cells = modules.plane, 40
    A, D, masses = plane.A, plane.D, plane.exact(cells)

    def rate(t, state):  # of mean and covariance
        S = state[2:].reshape(2, 2)
        return np.concatenate([-A @ state[:2], (2 * D - A @ S - S @ A.T).ravel()])

    start = np.concatenate([plane.MEAN, np.diag(plane.STD**2).ravel()])
    end = solve_ivp(rate, (0, plane.T_END), start, rtol=1e-11, atol=1e-12).y[:, -1]
    for axis, (low, high) in enumerate(plane.BOX):
        faces = np.linspace(low, high, cells + 1)
        marginal = np.diff(special.ndtr((faces - end[axis]) / np.sqrt(end[2 + 3 * axis])))
        np.testing.assert_allclose(masses.sum(axis=1 - axis), marginal, atol=1e-8)
    x, y = modules.central.centres(plane.BOX, cells)
    assert (x - end[0]) @ masses @ (y - end[1]) == pytest.approx(end[3], abs=1e-7)  # of all moments, this needs both


def test_methods_in_the_plane_reach_their_errors_and_a_wrong_sign_of_the_correlation_none(modules, monkeypatch):
    plane = modules.plane
    assert plane.error(plane.by_fpsde(80, 6)()) < 1e-5
    assert plane.error(plane.sinc_collocation(32, 1)()) < 1e-5
    scipy = of_kind(plane.race(), modules.race.Kind.SCIPY)
    exponential, stepped = (scipy[f"SciPy, order 4, {name}"] for name in ("expm_multiply", "Crank-Nicolson"))
    assert plane.error(exponential.prepare(48, 1)()) < 3e-3 and plane.error(stepped.prepare(48, 64)()) < 3e-3
    plane.exact(32)
    monkeypatch.setattr(plane, "D", plane.D * [[1, -1], [-1, 1]])
    assert plane.error(plane.sinc_collocation(32, 1)()) > 0.1


@pytest.mark.slow
def test_methods_for_klein_and_kramers_agree_with_the_reference_and_gibbs_law_does_not(modules):
    kramers = modules.kramers
    p = replace(kramers.DOUBLE_WELL, t_end=2.0)  # sooner, and cheaper to know
    assert p.error(kramers.by_fpsde(p, 56, 5)()) < 1e-5
    splitting = [p.error(kramers.fft_splitting(p, 56, n)()) for n in (12, 24)]
    assert splitting[1] < 1e-3 and 10 < splitting[0] / splitting[1] < 24  # order 4, extrapolated
    assert p.error(kramers.order_four(p, 56, 40)()) < 1e-2
    x, v = modules.central.centres(p.box, 56)
    gibbs = np.exp(-(p.potential(x)[:, None] + 0.5 * v**2) / p.temperature)
    assert p.error(gibbs / gibbs.sum()) > 0.5


@pytest.mark.parametrize("w", [0.0, 1.0])
def test_stationary_laws_are_those_of_boltzmann_at_the_order_of_each_method(modules, w):
    rows = modules.stationary
    fitted = {n: rows.error(rows.null_vector(n, 1, w=w, matrix=rows.exponentially_fitted)()) for n in (32, 64)}
    fourth = {n: rows.error(rows.null_vector(n, 1, w=w, matrix=rows.of_order_four, values=True)()) for n in (48, 72)}
    ours = {n: rows.error(rows.by_fpsde(n, 1, w=w)()) for n in (32, 64)}
    assert 3.3 < fitted[32] / fitted[64] < 4.7 and 3.3 < ours[32] / ours[64] < 4.7
    assert fourth[48] / fourth[72] > 1.5**3.5 and fourth[72] < 1e-3
    assert ours[64] < 1e-2 and fitted[64] < 1e-2
    for order, cells in ((4, 60), (6, 96)):
        assert rows.error(rows.by_fpsde_to_high_order(cells, 1, w=w, order=order)()) < {4: 2e-3, 6: 1e-4}[order]
    if not w:
        assert rows.error(rows.by_fpsde(40, 1, w=w, assemble=speed_measure)()) < 1e-4
    q = rows.exponentially_fitted(12, w=w)
    np.testing.assert_allclose(np.asarray(q.sum(axis=0)), 0, atol=1e-10)
    assert (q - sparse.diags(q.diagonal())).min() >= 0
    flat = np.full((48, 48), 48.0**-2)
    assert rows.error(flat) > 0.5


def test_passage_times_are_reached_by_every_method_at_its_order(modules):
    rows = modules.passage
    assert rows.exact_on_line() == pytest.approx(time_by_steps(rows), rel=1e-8)
    line, plane = rows.on_line(), rows.in_plane()
    methods = {m.name: m for m in (*line.methods, *plane.methods)}

    def error(name, cells, race):
        return race.error(methods[name].prepare(cells, 1)())

    for name in ("SciPy, banded backward equation", "SciPy, double integral"):
        assert 3.5 < error(name, 200, line) / error(name, 400, line) < 4.5, name
    assert error("SciPy, double integral", 400, line) < 1e-5
    own = {m.name: m for m in line.methods if m.kind is modules.race.Kind.OURS}
    assert line.error(own["fpsde, natural scale"].prepare(200, 1)()) < 1e-5
    assert 3.5 < line.error(own["fpsde"].prepare(200, 1)()) / line.error(own["fpsde"].prepare(400, 1)()) < 4.5
    assert plane.error(rows.out_of_disc(40, 1)()) < 1e-3 and plane.error(rows.shortley_weller(40, 1)()) < 1e-3
    assert line.error(2 * rows.exact_on_line()) == pytest.approx(1.0)  # a wrong factor is an error of one


def time_by_steps(rows):
    """Return the time of passage by integration of kT g' = U' g + 1 for g = -tau', and of tau' = -g."""

    def rate(x, state):
        return [(4 * x * (x**2 - 1) * state[0] + 1) / rows.KT, state[0]]

    marks = [rows.FROM, rows.TO]
    found = solve_ivp(rate, (rows.LOW, rows.TO), [0.0, 0.0], "LSODA", rtol=1e-11, atol=1e-13, t_eval=marks)
    return found.y[1, 1] - found.y[1, 0]


@pytest.mark.parametrize("axes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_moving_trap_has_its_closed_form_at_order_two_in_both_codes(modules, axes):
    rows, (cells, steps) = modules.driven, ((400, 30), (60, 10))[axes - 1]
    t = np.linspace(0, rows.T_END, 20001)  # m' = c - m by its integral
    moved = [np.exp(-rows.T_END) * rows.MEAN + trapezoid(np.exp(t - rows.T_END) * c, t) for c in rows.centre(t)]
    exact, x = rows.exact_masses(axes, cells), modules.central.centres([rows.BOX], cells)[0]
    marginals = [exact] if axes == 1 else [exact.sum(axis=1), exact.sum(axis=0)]
    np.testing.assert_allclose([x @ m for m in marginals], moved[:axes], atol=1e-6)
    for method in (rows.by_fpsde, rows.banded_loop):
        coarse, fine, finest = (method(axes, cells, n)() for n in (steps, 2 * steps, 8 * steps))
        assert np.abs(fine - exact).sum() < 1e-2, method
        assert 3.3 < np.abs(coarse - finest).sum() / np.abs(fine - finest).sum() < 5.5, method  # order 2: 63 / 15
    still = np.abs(rows.start_masses(axes, cells) - exact).sum()
    assert still > 0.1


@pytest.mark.slow
def test_a_trap_with_noise_whose_correlation_swings_has_its_closed_form_at_order_two(modules):
    rows, cells, steps = modules.driven, 30, 40
    t = np.linspace(0, rows.T_END, 20001)  # s' = 2 D_12 - 2 s by its integral
    mixed = trapezoid(2 * rows.R * rows.D * np.exp(2 * (t - rows.T_END)) * np.sin(rows.OMEGA * t), t)
    exact, x = rows.exact_masses(2, cells, correlated=True), modules.central.centres([rows.BOX], cells)[0]
    first, second = exact.sum(axis=1), exact.sum(axis=0)
    assert x @ exact @ x - (x @ first) * (x @ second) == pytest.approx(mixed, abs=1e-6)
    coarse, fine, finest = (rows.by_fpsde(2, cells, n, correlated=True)() for n in (steps, 2 * steps, 8 * steps))
    assert 3.3 < np.abs(coarse - finest).sum() / np.abs(fine - finest).sum() < 5.5
    assert np.abs(fine - exact).sum() < 5e-2 < 0.1 < np.abs(fine - rows.exact_masses(2, cells)).sum()


def test_a_law_that_swings_is_met_by_every_method_and_a_late_one_by_none(modules, monkeypatch):
    rows = modules.driven_law
    for method in rows.race().methods:
        assert rows.error(method.prepare(48, 4)()) < 1e-2, method.name
        assert not rows.error(1.001 * method.prepare(48, 4)()) < 1e-4, method.name
    assert rows.error(rows.by_fpsde(96, 6, order=10)()) < 1e-8
    masses = rows.exact(400)
    assert masses.sum() == pytest.approx(1, abs=1e-12)
    rows.exact.cache_clear()
    monkeypatch.setattr(rows, "T_END", 0.99 * rows.T_END)
    assert rows.error(masses) > 1e-3
    rows.exact.cache_clear()


def stub_race(race, *methods, levels=(1e-1, 1e-2), wanted=(), bounds=None):
    made = [race.Method(name, kind, prepare, cells, efforts) for name, kind, prepare, cells, efforts in methods]
    return race.Race("stub", abs, tuple(made), wanted, levels, bounds or race.Bounds(call=0.2, whole=5.0))


def test_search_takes_the_cheapest_run_that_reaches_an_error_and_reports_what_fails(modules):
    race, tried = modules.race, []

    def prepare(cells, effort):
        tried.append((cells, effort))
        if cells == 8:
            raise ValueError("too coarse")
        return lambda: 3.0 / cells / effort

    ours = ("stub", race.Kind.OURS, prepare, (8, 32, 64), (1, 10, 100))
    problem = stub_race(race, ours)
    found = race.search(problem.methods[0], problem)
    assert tried == [(8, 1), (32, 1), (32, 10)] and found.failure == ""  # a size that is refused is passed over
    assert [f.effort for f in found.near[0.01]] == [10] and set(found.near) == {0.1, 0.01}
    assert all(f.error <= level for level, runs in found.near.items() for f in runs)

    def broken(cells, effort):
        raise RuntimeError("no such grid")

    lost = stub_race(race, ("broken", race.Kind.SCIPY, broken, (8, 16), (1,)))
    report = race.search(lost.methods[0], lost)
    assert report.near == {} and report.failure == "RuntimeError: no such grid" and report.stopped is None


def busy(seconds, race):
    end = race.clock() + seconds
    while race.clock() < end:
        pass


def test_of_sizes_that_a_search_finds_alike_the_one_is_taken_that_is_fastest_in_common_rounds(modules):
    """Noise of a fifth in the search speaks for the larger size; a size at twice the time is not tried again."""
    race = modules.race
    p = stub_race(race, ("stub", race.Kind.SCIPY, lambda cells, effort: lambda: busy(1e-4 * cells, race), (), ()))
    made = {cells: p.methods[0].prepare(cells, 1) for cells in (10, 11, 20)}
    runs = [race.Found(p.methods[0], made[n], n, 1, 1e-3, s) for n, s in ((10, 1.3e-3), (11, 1.1e-3), (20, 2e-3))]
    search = race._search(p.methods[0], p, runs, [1.0], "", None)
    assert [f.cells for f in search.near[0.01]] == [10, 11]
    found, fastest = race.contest(p, [search], 0.01, 3)
    assert fastest["stub"].cells == 10 and len(found.timings) == 1 and found["stub"].seconds[0] < 1.08e-3


def test_a_wrong_solution_is_credited_with_no_error_and_one_that_is_not_finite_with_none(modules):
    race, p = modules.race, modules.line.DOUBLE_WELL

    def wrong(cells, effort):  # the law at rest: right in shape, wrong at this time
        x = 0.5 * (p.faces(cells)[1:] + p.faces(cells)[:-1])
        weights = np.exp(-p.potential(x) / p.temperature)
        return lambda: weights / weights.sum()

    for prepare in (wrong, lambda cells, effort: lambda: np.full(cells, np.nan)):
        method = race.Method("wrong", race.Kind.OURS, prepare, (64, 128))
        claims = (race.Wanted(1e-2, 1.0, ((race.Kind.SCIPY, 2.0),)),)
        problem = race.Race("wrong", p.error, (method,), claims, (1e-1, 1e-2))
        record, goals = race.run(problem, 2, lambda _: None)
        assert record["searches"]["wrong"]["reached"] == {} and record["contests"] == []
        assert [g.met for g in goals] == [False, False] and goals[0].measured is None  # ours missed: a goal missed


def test_bounds_stop_a_method_and_what_it_took_bounds_the_ratio(modules):
    race = modules.race

    def slow(cells, effort):
        return lambda: busy(0.004 * cells, race) or 1.0

    methods = (
        ("fpsde", race.Kind.OURS, lambda cells, effort: lambda: busy(1e-3, race) or 1e-3, (8,), (1,)),
        ("slow", race.Kind.PACKAGE, slow, (1, 8, 64), (1,)),
    )
    wanted = (race.Wanted(1e-2, 5.0, ((race.Kind.PACKAGE, 10.0), (race.Kind.SCIPY, 2.0))),)
    problem = stub_race(race, *methods, wanted=wanted, bounds=race.Bounds(call=0.02, whole=5.0))
    record, (own, ratio) = race.run(problem, 2, lambda _: None)  # no method of SciPy: no goal
    assert own.met and 0.9 < own.measured < 3
    assert record["searches"]["slow"]["stopped_at_seconds"] == pytest.approx(0.032, rel=0.2)
    assert "more than" in ratio.claim and 10 < ratio.measured < 40 and ratio.met
    late = stub_race(race, methods[1], bounds=race.Bounds(call=10.0, whole=0.03))
    assert "stopped at 0.03 s" in race.search(late.methods[0], late).failure
    with pytest.raises(TimeoutError, match="stopped after"), race.within(0.05):
        busy(5.0, race)
    busy(0.1, race)  # and then nothing interrupts any more


def test_growth_is_the_exponent_of_what_grows(modules):
    growth, race = modules.growth, modules.race
    sizes = (1.0, 2.0, 4.0)
    assert growth.exponent(sizes, (3.0, 12.0, 48.0)) == pytest.approx(2.0)
    job = growth.Growing("stub", lambda cells, t: lambda: busy(1e-5 * cells**2 * t, race), (4, 8, 16), (1.0, 2.0), 2)
    found = growth.measured(job, 3)
    assert found.exponent_in_cells == pytest.approx(1.0, abs=0.15)  # of cells, of which there are n^2
    assert found.exponent_in_time == pytest.approx(1.0, abs=0.2) and found.ns_per_cell == pytest.approx(1e4, rel=0.2)
    assert f"as (cells)^{found.exponent_in_cells:.2f}" in growth.sentence(found)


def test_rows_are_chosen_by_name_and_the_nearest_one_is_offered(modules):
    rows = modules.script.rows_named(["growth", "line-ou"])
    assert rows == ["line-ou", "growth"] and modules.script.rows_named(None) == list(modules.script.ROWS)
    with pytest.raises(InvalidInput, match="'line-oo': did you mean 'line-ou'"):
        modules.script.rows_named(["line-oo"])


def test_a_file_that_cannot_be_written_is_named_before_anything_is_measured(modules, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fokker_planck.py", "--json", "/nonexistent/record.json"])
    monkeypatch.setattr(modules.script, "ROWS", {})
    with pytest.raises(SystemExit, match="2"):
        modules.script.main()
    assert "/nonexistent/record.json cannot be written" in capsys.readouterr().err


def quick(*rows: str) -> tuple[dict, str]:
    """Return the record and the tables of a small run."""
    only = [option for row in rows for option in ("--only", row)]
    command = [sys.executable, str(BENCHMARKS / "fokker_planck.py"), "--quick", "--json", "-", *only]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def judge(record: dict, tables: str, rows: list[str]) -> None:
    """Assert that rows were measured: ours without failure, errors reached as claimed, goals that can be judged."""
    assert list(record["rows"]) == rows
    for row in record["rows"].values():
        for name, search in row.get("searches", {}).items():
            assert search["failure"] == "", name
            assert all(run["error"] <= float(level) for level, run in search["reached"].items())
        for contest in row.get("contests", []):
            assert all(t["rate"]["low"] > 0 for t in contest["timings"])
    assert all(g["measured"] is None or math.isfinite(g["measured"]) for g in record["goals"])
    environment = record["environment"]
    assert environment["versions"]["scipy"] and environment["cores_used"] >= 1 and environment["time"][:2] == "20"
    for name in ("py-pde", "fplanck", "FiPy", "pychangcooper"):
        assert (f"{name}: reported as missing" in tables) == (name in record["missing"])
        assert name in record["missing"] or environment["versions"][name]


@pytest.mark.slow
def test_a_quick_run_of_one_row_measures_ours_and_scipy(modules):
    record, tables = quick("line-ou")
    judge(record, tables, ["line-ou"])
    row = record["rows"]["line-ou"]
    assert {"fpsde", "fpsde, high order", "SciPy, eigen-expansion"} <= set(row["searches"])
    assert [c["name"].split()[-1] for c in row["contests"]] == ["0.1", "0.01"]
    assert len(record["goals"]) == 4 and all(g["measured"] > 0 for g in record["goals"])


@pytest.mark.slow
def test_a_quick_run_measures_every_row(modules):
    record, tables = quick()
    judge(record, tables, list(modules.script.ROWS))
    assert all(fit["exponent_in_cells"] < 3 for fit in record["rows"]["growth"]["fits"])
