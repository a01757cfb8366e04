"""The commands simulate, schemes and kernel: what they print, what they refuse, and runs that are stopped and go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from rich.console import Console

import fpsde
from fpsde.cli import main
from fpsde.commands import bins, quantiles, run_figure, schemes_command, simulate_command
from fpsde.commands.options import component_labels
from fpsde.ensemble import Counts
from fpsde.errors import BackendUnavailable, Unsuited
from fpsde.integrators import simulation, steps
from fpsde.integrators.compiled import step_source
from fpsde.noise import Normals
from fpsde.schemes import SCHEMES
from fpsde.schemes.tracing import traced_step

#: A run that takes no time: 0.1 in 5 steps.
QUICK = ["--particles", "3000", "--t-end", "0.1", "--dt", "0.02", "--seed", "11"]
BAOAB = ["double_well", "--dynamics", "underdamped", "--scheme", "baoab", "--set", "friction=1"]
#: What of a record says how it was computed, and may differ between two runs with the same bits.
HOW = ("seconds", "particle_steps_per_second", "resumed")


def run(*arguments):
    return main(["simulate", *arguments])


def recorded(capsys, *arguments, code=0):
    """Return the record that a run prints as JSON."""
    assert run(*arguments, "--json", "-") == code
    return json.loads(capsys.readouterr().out)


def bits(record):
    """Return all of a record that must be the same for the same run."""
    return {name: value for name, value in record.items() if name not in HOW}


# --- the numbers


def test_moments_and_quantiles_are_those_of_the_same_run_with_its_positions(capsys):
    made = recorded(capsys, "double_well", *QUICK, "--x0", "-0.5", "--histogram", "-2", "2", "4000")
    library = fpsde.simulate(
        fpsde.double_well(), fpsde.euler_maruyama, x0=-0.5, t_end=0.1, dt=0.02, n_particles=3000, seed=11
    )
    x = library.positions[0]
    (one,) = made["components"]
    m2, m4 = (np.mean((x - x.mean()) ** k) for k in (2, 4))
    expected = {
        "mean": x.mean(),
        "mean_error": np.sqrt(m2 / 3000),
        "variance": m2,
        "variance_error": np.sqrt((m4 - m2**2) / 3000),
    }
    for name, value in expected.items():
        assert one[name] == pytest.approx(value, rel=1e-11), name
    for quantile in one["quantiles"]:
        assert quantile["value"] == pytest.approx(np.quantile(x, quantile["probability"]), abs=0.01)
    (histogram,) = made["histograms"]
    np.testing.assert_array_equal(histogram["counts"], np.histogram(x, histogram["faces"])[0])


def test_the_standard_errors_are_those_of_repeated_runs(capsys, seed):
    """20 runs scatter as each says of its own, chi^2 with 19 degrees, at level 1e-8 each for mean and variance.

    Errors ten times too large or too small would pass with probability below 1e-8.
    """
    runs = [
        recorded(capsys, "double_well", *QUICK, "--seed", str((seed + k) % 2**64))["components"][0] for k in range(20)
    ]
    for name in ("mean", "variance"):
        values, errors = (np.array([one[key] for one in runs]) for key in (name, f"{name}_error"))
        ratio = 19 * np.var(values, ddof=1) / np.mean(errors**2)
        assert 1.2 < ratio < 79  # the quantiles at 5e-9 are 1.230 and 77.5; the errors themselves scatter by 1 %


def test_with_velocities_components_have_names_and_a_covariance(capsys):
    made = recorded(capsys, *BAOAB, *QUICK)
    library = fpsde.simulate(
        fpsde.underdamped_of(fpsde.double_well(), friction=1.0),
        fpsde.baoab,
        x0=(0.3, 0.0),
        t_end=0.1,
        dt=0.02,
        n_particles=3000,
        seed=11,
    )
    assert [one["name"] for one in made["components"]] == ["x", "v"]
    np.testing.assert_allclose(made["covariance"], np.cov(library.positions, bias=True), rtol=1e-9)
    for one, x in zip(made["components"], library.positions, strict=True):
        assert one["mean"] == pytest.approx(x.mean(), rel=1e-11)
        for quantile in one["quantiles"]:
            exact = np.quantile(x, quantile["probability"])
            assert quantile["value"] == pytest.approx(exact, abs=quantile["error"] + 4e-3 * x.std())  # between two
            assert quantile["error"] < 1e-3 * x.std()


@pytest.mark.parametrize(
    ("dim", "underdamped", "labels"),
    [(1, False, ["x"]), (2, False, ["x0", "x1"]), (2, True, ["x", "v"]), (4, True, ["x0", "x1", "v0", "v1"])],
)
def test_components_are_named_positions_before_velocities(dim, underdamped, labels):
    assert component_labels(dim, underdamped=underdamped) == labels


def test_parameters_of_all_three_kinds_are_set_alike(capsys):
    set_all = ["tilted_well", "--dynamics", "underdamped", "--scheme", "obabo"]
    for pair in ("friction=2", "mass=3", "temperature=0.2", "tilt=0.3"):
        set_all += ["--set", pair]
    made = recorded(capsys, *set_all, *QUICK)
    assert made["parameters"] == {"temperature": 0.2, "friction": 2.0, "mass": 3.0, "tilt": 0.3}
    assert bits(made)["components"] != bits(recorded(capsys, *set_all, "--set", "tilt=0.4", *QUICK))["components"]


def test_the_scheme_s_own_counts_are_in_the_record(capsys):
    made = recorded(capsys, "double_well", "--scheme", "mala", *QUICK)
    library = fpsde.simulate(fpsde.double_well(), fpsde.mala, x0=0.3, t_end=0.1, dt=0.02, n_particles=3000, seed=11)
    assert made["scalars"]["accepted"]["mean"] == pytest.approx(library.values["accepted"].mean(), rel=1e-12)
    run("double_well", "--scheme", "mala", *QUICK)
    rate = library.values["accepted"].mean() / 5
    assert f"for each particle, {rate:.5g} a step" in capsys.readouterr().out


def test_absorbed_particles_are_counted_by_wall(capsys):
    made = recorded(capsys, "brownian_absorbing", "--particles", "3000", "--seed", "11")
    setting = fpsde.process_named("brownian_absorbing").setting
    library = fpsde.simulate(
        fpsde.process_named("brownian_absorbing"), fpsde.euler_maruyama, x0=setting.x0, t_end=setting.t_end,
        dt=setting.dt, n_particles=3000, seed=11,
    )  # fmt: skip
    assert made["absorbed"] == [list(pair) for pair in library.absorbed]
    assert min(made["absorbed"][0]) > 0
    run("brownian_absorbing", "--particles", "3000", "--seed", "11")
    low, high = made["absorbed"][0]
    for quantile in made["components"][0]["quantiles"]:
        exact = np.quantile(library.positions[0], quantile["probability"], method="inverted_cdf")
        if exact in (0.0, 1.0):
            assert (quantile["value"], quantile["error"]) == (exact, 0.0)
        else:
            assert quantile["value"] == pytest.approx(exact, abs=0.01)
    assert [quantile["value"] for quantile in made["components"][0]["quantiles"]][::4] == [0.0, 1.0]
    assert f"x: {low:,} absorbed at the low wall, {high:,} at the high wall" in capsys.readouterr().out


def test_the_state_can_be_single(capsys):
    made = recorded(capsys, "double_well", *QUICK, "--dtype", "float32")
    assert made["provenance"]["dtype"] == "float32"
    assert made["components"] != recorded(capsys, "double_well", *QUICK)["components"]


def test_threads_change_no_bit_and_a_seed_does(capsys):
    changes = (["--threads", "1"], ["--threads", "2"], ["--seed", "12"])
    one, two, other = (bits(recorded(capsys, *BAOAB, *QUICK, *change)) for change in changes)
    assert one == two
    assert one["components"] != other["components"]


FIELDS = {
    "parameters", "x0", "t", "requested", "n_particles", "interrupted", "components", "covariance", "histograms",
    "scalars", "absorbed", "not_finite", "first_not_finite", "failed", "provenance", "resumed", "seconds",
    "particle_steps_per_second",
}  # fmt: skip


def test_the_record_has_every_field_and_is_plain_json(capsys):
    assert run("double_well", *QUICK, "--json", "-") == 0
    text = capsys.readouterr().out
    made = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert made.keys() == FIELDS
    moments = {"name", "mean", "mean_error", "variance", "variance_error", "quantiles"}
    assert all(one.keys() == moments for one in made["components"])
    provenance = {"process": "double_well", "scheme": "euler_maruyama", "seed": 11, "n_steps": 5}
    assert provenance.items() <= made["provenance"].items()


def test_the_record_goes_to_a_file_and_the_table_to_the_terminal(tmp_path, capsys):
    assert run("double_well", *QUICK, "--json", str(tmp_path / "run.json")) == 0
    shown = capsys.readouterr()
    made = json.loads((tmp_path / "run.json").read_text())
    assert "double_well, euler_maruyama: 3,000 particles to t = 0.1 in 5 steps of 0.02" in shown.out
    assert f"{made['components'][0]['mean']:.2f}" in shown.out
    assert "particle-steps a second" in shown.out
    assert shown.err == ""


# --- bins and quantiles


def test_quantiles_have_the_digits_of_their_bins_and_none_where_these_are_too_wide(capsys):
    law = fpsde.Normal(0.0, 1.0)
    faces = np.linspace(-8.0, 8.0, 1601)
    table = np.round(1e6 * law.cell_masses(faces)).astype(int)
    nothing = np.zeros(1, dtype=int)
    for merged, digits in ((1, 2), (5, 1), (16, 0), (40, None)):  # bins of 0.01, 0.05, 0.16 and 0.4 sd
        counts = Counts(1.0, faces[None, ::merged], table.reshape(1, -1, merged).sum(axis=2), nothing, nothing, nothing)
        for one in quantiles.quantiles(counts, 1.0, fpsde.Interval(), (0, 0)):
            text, exact = quantiles.shown(one), float(law.ppf(one["probability"]))
            if digits is None:
                assert (text, one["value"], one["error"]) == ("-", None, None)
                continue
            assert one["error"] == pytest.approx(0.01 * merged)
            assert one["value"] == pytest.approx(exact, abs=one["error"])
            assert text == f"{round(one['value'], digits) + 0.0:.{digits}f}"
    assert quantiles.shown({"value": 12345.678, "error": 30.0}) == "12300"
    assert quantiles.shown({"value": 1.23456789e-12, "error": 1e-13}) == "1.23457e-12"


def test_bins_too_wide_for_a_component_are_said_to_be(capsys):
    assert run(*BAOAB, *QUICK, "--histogram", "-30", "30", "100") == 0
    assert "-: beside the bins, or these are too wide" in capsys.readouterr().out
    assert run(*BAOAB, *QUICK) == 0
    assert "beside the bins" not in capsys.readouterr().out


def test_components_can_have_bins_of_their_own(capsys):
    own = ["--histogram", "-2", "2", "40", "--histogram", "v", "-3", "3", "60"]
    first, second = recorded(capsys, *BAOAB, *QUICK, *own)["histograms"]
    assert (first["faces"], second["faces"]) == (np.linspace(-2, 2, 41).tolist(), np.linspace(-3, 3, 61).tolist())
    first, second = recorded(capsys, *BAOAB, *QUICK, *own[4:])["histograms"]  # the other from the pilot
    assert len(first["counts"]) == bins.BINS
    assert len(second["counts"]) == 60
    assert first["below"] == first["above"] == 0


@pytest.mark.parametrize(
    ("x", "interval", "low", "high"),
    [
        ([-1.0, 1.0], fpsde.Interval(), -6.0, 6.0),
        ([-1.0, 1.0, np.nan, np.inf], fpsde.Interval(), -6.0, 6.0),  # those that exploded say nothing of the place
        ([-1.0, 1.0], fpsde.Interval(-2.0, 3.0), -2.0, 3.0),
        ([0.0, 0.0], fpsde.Interval(), -6.0, 6.0),
        ([2.0, 2.0], fpsde.Interval(), 2 - 12e3 * 2.0**-52, 2 + 12e3 * 2.0**-52),
        ([np.nan], fpsde.Interval(), -6.0, 6.0),
        ([1e308, -1e308], fpsde.Interval(), -6.0, 6.0),
    ],
)
def test_a_pilot_of_any_kind_gives_bins(x, interval, low, high):
    assert bins.pilot_bins(np.array(x), interval) == (pytest.approx(low, rel=1e-14), pytest.approx(high), bins.BINS)
    fpsde.Histogram(*bins.pilot_bins(np.array(x), interval))


def test_last_bits_of_the_pilot_change_no_bin(seed):
    for scale in (1e-9, 1.0, 1e6):  # at a tie of the rounding they would: with probability 1e-11
        x = scale * (1 + np.random.default_rng(seed).normal(size=2000))
        assert bins.pilot_bins(x, fpsde.Interval()) == bins.pilot_bins(x * (1 + 2.0**-51), fpsde.Interval())
        assert bins.pilot_bins(x, fpsde.Interval()) != bins.pilot_bins(x * 1.01, fpsde.Interval())


# --- steps


def test_a_default_step_is_made_to_divide_the_horizon_and_a_given_one_is_kept(capsys):
    made = recorded(capsys, "double_well", "--t-end", "0.05", "--particles", "100")
    assert made["provenance"]["n_steps"] == 3  # the default is 0.02
    assert made["provenance"]["dt"] == 0.05 / 3
    assert recorded(capsys, "double_well", "--particles", "100")["provenance"]["dt"] == 0.02
    made = recorded(capsys, "double_well", "--t-end", "0.3", "--dt", "0.1", "--particles", "100")
    assert made["provenance"]["dt"] == 0.1  # and not 0.3/3
    assert run("double_well", "--t-end", "0.05", "--dt", "0.02") == 2
    assert "dt=0.02 does not divide t_end=0.05" in capsys.readouterr().err


# --- the picture


def test_a_folder_gets_the_record_and_a_picture(tmp_path, capsys):
    assert run(*BAOAB, *QUICK, "--out", str(tmp_path / "out"), "--json", "-") == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"run.json", "run.png"}
    assert json.loads((tmp_path / "out" / "run.json").read_text()) == json.loads(capsys.readouterr().out)
    assert (tmp_path / "out" / "run.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_has_a_panel_for_each_component_and_the_stationary_law(seed):
    process = fpsde.underdamped_of(fpsde.double_well())
    histograms = [fpsde.Histogram(-3, 3, 300, of=i) for i in (0, 1)]
    drawn = fpsde.simulate(
        process, fpsde.baoab, x0=(0.3, 0.0), t_end=0.1, dt=0.02, n_particles=3000, seed=seed, observers=histograms
    )
    counts = [drawn.result(one)[0] for one in histograms]
    figure = run_figure.run_figure(process, drawn, counts, labels=["x", "v"], title="title")
    panels = figure.axes
    assert [panel.get_xlabel() for panel in panels] == ["x", "v"]
    assert {panel.get_ylabel() for panel in panels} == {"density"}
    for i, panel in enumerate(panels):
        (curve,) = panel.get_lines()
        law = process.exact.stationary_component(i)
        assert len(curve.get_xdata()) == run_figure.POINTS
        np.testing.assert_allclose(curve.get_ydata(), law.pdf(curve.get_xdata()), atol=2e-4)  # averages of short cells
        low, high = panel.get_xlim()
        assert low < min(*law.ppf([1e-4]), *np.quantile(drawn.positions[i], [1e-3]))
        assert high > max(*law.ppf([1 - 1e-4]), *np.quantile(drawn.positions[i], [1 - 1e-3]))


def test_the_legend_names_the_curves_of_all_panels():
    process = fpsde.underdamped_of(fpsde.process_named("mueller_brown"))  # its law is known in velocities alone
    histograms = [fpsde.Histogram(-30, 30, 10_000, of=i) for i in range(4)]
    drawn = fpsde.simulate(
        process, fpsde.baoab, x0=process.setting.x0, t_end=0.01, dt=1e-3, n_particles=512, seed=1, observers=histograms
    )
    counts = [drawn.result(one)[0] for one in histograms]
    figure = run_figure.run_figure(process, drawn, counts, labels=["x0", "x1", "v0", "v1"], title="title")
    assert [len(panel.get_lines()) for panel in figure.axes] == [0, 0, 1, 1]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["particles", "stationary law"]


def test_a_few_particles_far_away_do_not_stretch_the_picture():
    table = np.zeros(10_000, dtype=int)
    table[5000:5200] = 1000
    far = table.copy()
    far[[0, -1]] = 10
    np.testing.assert_array_equal(run_figure.bulk(far), run_figure.bulk(table))
    faces = np.linspace(0, 1, 10_001)
    assert np.sum(run_figure.cells(far, faces, 200_000)[1] > 10) == 100  # cells as fine as without them


@pytest.mark.parametrize("bins", [7, 64, 101, 1000, 4096])
def test_the_drawn_density_holds_all_that_is_in_the_bins(bins, seed):
    x = np.random.default_rng(seed).normal(0.2, 0.3, 1000)
    table, faces = np.histogram(x, bins, range=(-2, 0.7))
    drawn, density = run_figure.cells(table, faces, len(x))
    assert np.sum(density * np.diff(drawn)) == pytest.approx(table.sum() / len(x), rel=1e-12)
    assert np.count_nonzero(density) <= run_figure.CELLS + 1
    assert np.all(np.isin(drawn, faces))


def test_particles_on_an_absorbing_wall_are_no_density(seed):
    process = fpsde.process_named("brownian_absorbing")
    for low, high, number in ((-0.5, 1.5, 400), (0.0, 1.0, 64), (-0.3, 1.3, 16), (0.2, 0.7, 50)):
        histogram = fpsde.Histogram(low, high, number, of=0)
        drawn = fpsde.simulate(
            process, fpsde.euler_maruyama, x0=0.5, t_end=0.5, dt=0.01, n_particles=3000, seed=seed,
            observers=[histogram],
        )  # fmt: skip
        x = drawn.positions[0]
        inside = x[(x > 0) & (x < 1)]
        left = quantiles.between_walls(drawn.result(histogram)[0], drawn.absorbed[0])
        assert 0 < len(inside) < 3000
        np.testing.assert_array_equal(left.counts[0], np.histogram(inside[inside < high], number, (low, high))[0])
        assert (left.below[0], left.above[0]) == (np.sum(inside < low), np.sum(inside >= high))
    figure = run_figure.run_figure(process, drawn, [drawn.result(histogram)[0]], labels=["x"], title="title")
    assert figure.axes[0].get_title() == f"title\n{100 * (1 - len(inside) / 3000):.3g} % absorbed, not drawn"


def test_a_picture_where_all_are_absorbed_says_so(tmp_path):
    assert run("brownian_absorbing", "--particles", "512", "--t-end", "10", "--out", str(tmp_path)) == 0
    assert (tmp_path / "run.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*BAOAB, "--histogram", "v", "5", "6", "10"], "none of 3000 particles is in the bins from 5 to 6"),
        (["double_well", "--histogram", "5", "6", "10"], "none of 3000 particles is in the bins from 5 to 6"),
    ],
)
def test_a_picture_without_counts_is_refused(arguments, message, tmp_path, capsys):
    assert run(*arguments, *QUICK, "--out", str(tmp_path)) == 2
    assert message in capsys.readouterr().err


# --- particles that are lost


def test_an_explosion_exits_with_one_and_says_where_it_began(capsys):
    exploding = ["duffing_well", "--dt", "0.5", "--x0", "3", "--t-end", "5", "--particles", "3000", "--seed", "11"]
    made = recorded(capsys, *exploding, code=1)
    library = fpsde.simulate(
        fpsde.duffing_well(), fpsde.euler_maruyama, x0=3.0, t_end=5.0, dt=0.5, n_particles=3000, seed=11
    )
    step, particle = library.first_not_finite
    assert (made["not_finite"], made["first_not_finite"]) == (library.not_finite, {"step": step, "particle": particle})
    assert made["components"][0]["mean"] is None  # never an average of the others
    assert run(*exploding) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert f"{library.not_finite:,} particles exploded" in shown
    assert f"the first of them {particle} in step {step} of 10" in shown
    assert run(*exploding, "--scheme", "tamed_euler") == 0


def test_steps_that_were_not_solved_exit_with_one(capsys):
    stiff = ["duffing_well", "--dt", "5", "--t-end", "50", "--x0", "2", "--particles", "3000", "--scheme"]
    assert recorded(capsys, *stiff, "implicit_euler", code=1)["failed"] > 0
    assert run(*stiff, "implicit_euler") == 1
    assert "particles failed" in capsys.readouterr().out


# --- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dubble_well"], "unknown process 'dubble_well': did you mean 'double_well'"),
        (["double_well", "--scheme", "euler"], "unknown scheme 'euler': did you mean 'euler_heun'"),
        (["double_well", "--scheme", "BAB"], "is no splitting"),
        (["double_well", "--scheme", "baoab"], "fpsde: add --dynamics underdamped: "),
        (["double_well", "--scheme", "baoab"], "a splitting needs d = 2k components"),
        (["geometric_brownian", "--scheme", "baoab"], "fpsde: baoab takes additive noise"),
        (["double_well", "--scheme", "sgld"], "sgld takes an argument (a function, the noise of the gradient): from P"),
        (["double_well", "--scheme", "drift_implicit"], "drift_implicit takes an argument (a number, its theta)"),
        (["double_well", "--scheme", "splitting"], "splitting takes an argument (letters; on the command line"),
        (["brownian_reflecting", "--scheme", "heun"], "heun has no form at the reflecting/reflecting walls"),
        (["double_well", "--set", "temprature=1"], "did you mean 'temperature'"),
        (["double_well", "--set", "temperature=warm"], "'warm' is not a number"),
        (["double_well", "--set", "temperature=-1"], "temperature=-1.0 must be positive"),
        (["double_well", "--set", "friction=1"], "double_well has no friction; add --dynamics underdamped"),
        ([*BAOAB, "--set", "fricton=1"], "did you mean 'friction'"),
        ([*BAOAB, "--set", "mass=0"], "mass"),
        (["duffing", "--dynamics", "underdamped"], "leave --dynamics underdamped out"),
        (["geometric_brownian", "--dynamics", "underdamped"], "states no potential"),
        (["double_well", "--dynamics", "underdampd"], "did you mean 'underdamped'"),
        (["double_well", "--particles", "0"], "n_particles=0 must be at least 1"),
        (["double_well", "--particles", "1.5"], "n_particles=1.5 is not a whole number"),
        (["double_well", "--dt", "0.3"], "does not divide"),
        (["double_well", "--dt", "-1"], "must be positive"),
        (["double_well", "--t-end", "nan"], "is not finite"),
        (["double_well", "--x0", "nan"], "--x0=nan is not finite"),
        (["brownian_reflecting", "--x0", "2"], "reaches outside of the domain (0.0, 1.0)"),
        ([*BAOAB, "--x0", "1"], "has 2 component(s); give a number for each, the positions before the velocities"),
        (["double_well", "--x0", "1", "2"], "--x0 1 2: double_well has 1 component(s)"),
        (["double_well", "--seed", "-1"], "seed=-1 must be at least 0"),
        (["double_well", "--threads", "0"], "threads=0 must be at least 1"),
        (["double_well", "--dtype", "float16"], "dtype=float16 is not one that kernels run in"),
        (["double_well", "--dtype", "flot32"], "dtype='flot32' is not a type"),
        (["double_well", "--histogram", "2", "1", "10"], "Histogram(2.0, 1.0) is empty"),
        (["double_well", "--histogram", "0", "1", "0"], "bins=0 must be at least 1"),
        (["double_well", "--histogram", "0", "1", "2.5"], "bins=2.5 is not a whole number"),
        (["double_well", "--histogram", "0", "1"], "--histogram 0 1: give LOW HIGH BINS for all components, or NAME"),
        (["double_well", "--histogram", "x", "0", "one", "5"], "--histogram x 0 one 5: give LOW HIGH BINS for all"),
        ([*BAOAB, "--histogram", "x0", "0", "1", "5"], "unknown component 'x0': did you mean 'x'"),
        (["double_well", "--histogram", "0", "1", "1e9"], "GiB for histograms"),
        (["double_well", "--json", "/nonexistent/x.json"], "cannot be written"),
    ],
)
def test_bad_input_exits_with_two_and_says_what_to_do(arguments, message, capsys):
    assert run(*arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""


# --- checkpoints

LONG = [*BAOAB, "--particles", "2e5", "--t-end", "10", "--dt", "0.01", "--seed", "5"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The record of the long run without interruption."""
    path = tmp_path_factory.mktemp("whole") / "run.json"
    assert run(*LONG, "--json", str(path)) == 0
    return bits(json.loads(path.read_text()))


def stopped_after_a_shard(folder, how):
    """Start the long run in a process of its own, stop it once a shard is finished; return (exit code, stderr)."""
    command = [sys.executable, "-m", "fpsde", "simulate", *LONG, "--threads", "1", "--checkpoint", str(folder)]
    # a test run in the background may ignore Ctrl-C, and a process that it starts would too
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [*command, "--json", str(folder) + ".json"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    end = time.monotonic() + 60
    while not list(folder.glob("shard-*.json")):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.005)
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def gone_on(capsys, folder):
    """Return the record of the run that goes on from a folder, checking that it kept what was there."""
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("shard-*")}
    assert run(*LONG, "--checkpoint", str(folder), "--json", str(folder) + ".json") == 0
    capsys.readouterr()
    assert finished == {path: path.stat().st_mtime_ns for path in finished}
    made = json.loads(folder.with_suffix(".json").read_text())
    assert 0 < made["resumed"] < made["n_particles"] == 200_000
    return bits(made)


def test_a_run_killed_and_started_again_ends_in_the_same_bits(tmp_path, whole, capsys):
    code, _ = stopped_after_a_shard(tmp_path / "run", signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert not (tmp_path / "run.json").exists()
    assert gone_on(capsys, tmp_path / "run") == whole


@pytest.mark.parametrize("how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_ctrl_c_or_sigterm_exits_with_130_says_what_is_finished_and_the_run_goes_on(how, tmp_path, whole, capsys):
    code, errors = stopped_after_a_shard(tmp_path / "run", how)
    assert code == 130
    partial = json.loads((tmp_path / "run.json").read_text())
    assert partial["interrupted"] is True
    assert 0 < partial["n_particles"] < partial["requested"] == 200_000
    assert f"interrupted; {partial['n_particles']:,} of 200,000 particles are finished" in errors
    assert f"the same command goes on from {tmp_path / 'run'}" in errors
    assert partial["components"] != whole["components"]
    assert gone_on(capsys, tmp_path / "run") == whole


def test_ctrl_c_before_anything_is_finished_says_so(monkeypatch, tmp_path, capsys):
    folder = ["--checkpoint", str(tmp_path)]
    assert run(*BAOAB, *QUICK, *folder) == 0

    def interrupted(*arguments, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(simulate_command, "simulate", interrupted)
    assert run("double_well", *QUICK) == 130
    assert capsys.readouterr().err.endswith("interrupted; there is no result\n")
    assert run(*BAOAB, *QUICK, *folder) == 130
    assert "there is no result; the 3,000 particles that were there before stay there" in capsys.readouterr().err


def test_what_is_finished_is_shown_before_the_error_of_a_run_that_fails(monkeypatch, tmp_path, capsys):
    """Shards of 1024: the first is finished, the second is lost; without a checkpoint."""
    shard = simulation.shard

    def failing(plan, start, *, first, **more):
        if first:
            raise BackendUnavailable("the GPU was lost in mid-run")
        return shard(plan, start, first=first, **more)

    given = [*BAOAB, *QUICK, "--threads", "1", "--histogram", "-3", "3", "8", "--json"]  # without a pilot
    monkeypatch.setattr(simulation, "shard", failing)
    assert run(*given, str(tmp_path / "failed.json")) == 2
    assert "1024 of 3000 particles are finished (ids 0 .. 1023)" in capsys.readouterr().err
    monkeypatch.undo()
    assert run(*given, str(tmp_path / "first.json"), "--particles", "1024") == 0
    part, first = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("failed", "first"))
    assert part["interrupted"] and (part["n_particles"], part["requested"]) == (1024, 3000)
    for own, alone in zip(part["components"], first["components"], strict=True):
        assert (own["mean"], own["variance"]) == (alone["mean"], alone["variance"])


def test_a_finished_run_is_read_and_not_computed_again(tmp_path, capsys):
    folder = ["--checkpoint", str(tmp_path / "run")]
    first = recorded(capsys, *BAOAB, *QUICK, *folder)
    again = recorded(capsys, *BAOAB, *QUICK, *folder)
    assert (first["resumed"], again["resumed"]) == (0, 3000)
    assert again["particle_steps_per_second"] is None
    assert run(*BAOAB, *QUICK, *folder) == 0
    shown = capsys.readouterr().out
    assert "all 3,000 particles were there before" in shown
    assert "particle-steps a second" not in shown
    assert bits(again) == bits(first) == bits(recorded(capsys, *BAOAB, *QUICK))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--seed", "12"], ["seed", "11 there, 12 here"]),
        (["--dt", "0.05"], ["dt", "there, 0.05 here"]),
        (["--particles", "4000"], ["n_particles", "3000 there, 4000 here"]),
        (["--scheme", "obabo"], ["scheme", "'baoab' there, 'obabo' here"]),
        (["--dtype", "float32"], ["dtype", "'float64' there, 'float32' here"]),
        (["--set", "friction=2"], ["parameters"]),
        (["--x0", "1", "0"], ["x0"]),
        (["--histogram", "0", "1", "10"], ["observers"]),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(change, words, tmp_path, capsys):
    folder = ["--checkpoint", str(tmp_path / "run")]
    assert run(*BAOAB, *QUICK, *folder) == 0
    capsys.readouterr()
    assert run(*BAOAB, *QUICK, *folder, *change) == 2
    shown = capsys.readouterr()
    assert "holds the checkpoint of another run" in shown.err
    assert all(word in shown.err for word in words)
    assert shown.out == ""


@pytest.mark.parametrize(
    ("suffix", "spoilt", "message"),
    [(".npz", b"spoilt", "its checksum is not the one that was written"), (".json", b"{", "is damaged")],
)
def test_a_damaged_checkpoint_is_refused(suffix, spoilt, message, tmp_path, capsys):
    folder = tmp_path / "run"
    assert run(*BAOAB, *QUICK, "--checkpoint", str(folder)) == 0
    next(folder.glob(f"shard-*{suffix}")).write_bytes(spoilt)
    assert run(*BAOAB, *QUICK, "--checkpoint", str(folder)) == 2
    assert message in capsys.readouterr().err


def test_a_checkpoint_that_cannot_be_written_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run(*BAOAB, *QUICK, "--checkpoint", str(tmp_path / "file" / "run")) == 2
    assert "cannot be made" in capsys.readouterr().err


def test_a_checkpoint_in_a_read_only_folder_is_refused(tmp_path, capsys):
    folder = tmp_path
    if os.geteuid():
        folder.chmod(0o500)
    else:
        folder = "/proc/self"  # in which not even root may write
    assert run(*BAOAB, *QUICK, "--checkpoint", str(folder)) == 2
    shown = capsys.readouterr()
    assert "cannot be written" in shown.err
    assert shown.out == ""


def test_progress_is_shown_on_standard_error_where_there_is_a_checkpoint(tmp_path, capsys):
    assert run(*BAOAB, *QUICK, "--checkpoint", str(tmp_path), "--json", "-") == 0
    shown = capsys.readouterr()
    assert "particles" in shown.err and "100%" in shown.err
    json.loads(shown.out)
    assert run(*BAOAB, *QUICK) == 0
    assert capsys.readouterr().err == ""


# --- the schemes


def listed(capsys, *arguments):
    assert main(["schemes", *arguments, "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_scheme_is_listed_with_what_it_says_of_itself(capsys):
    made = listed(capsys)
    assert [one["name"] for one in made["schemes"]] == list(SCHEMES)
    assert made["refused"] == {}
    for one, scheme in zip(made["schemes"], SCHEMES.values(), strict=True):
        assert (one["convention"], one["evaluations"], one["source"]) == (
            scheme.convention, scheme.evaluations, scheme.source,
        )  # fmt: skip
    euler = made["schemes"][0]
    assert euler["strong"] == {"additive": 1.0, "commutative": 0.5, "general": 0.5}
    exact = made["schemes"][list(SCHEMES).index("exact_sampling")]
    assert exact["weak"]["general"] == "exact"
    samplers = {one["name"]: one for one in made["samplers"]}
    assert samplers["karras(churn)"]["evaluations"] == 2 and "Song" in samplers["ddim(eta)"]["source"]
    assert "samplers" not in listed(capsys, "double_well")


def test_a_table_in_a_pipe_is_as_wide_as_columns_says(monkeypatch, capsys):
    widths = []
    for columns in ("110", "400"):
        monkeypatch.setenv("COLUMNS", columns)
        assert main(["schemes"]) == 0
        widths.append(max(map(len, capsys.readouterr().out.splitlines())))
    assert widths[0] <= 110 < widths[1] <= 400


def test_the_table_fits_a_hundred_columns(monkeypatch, capsys):
    monkeypatch.setattr(schemes_command, "screen", lambda: Console(width=100))
    assert main(["schemes"]) == 0
    shown = capsys.readouterr().out
    table = shown.split("Sources")[0]
    assert all(f"\n{name} " in table for name in SCHEMES)
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 100
    row = next(line for line in table.splitlines() if line.startswith("euler_maruyama"))
    assert row.split() == ["euler_maruyama", "Itô", "general", "1/0.5/0.5", "1", "1", "1", "1"]
    for scheme in SCHEMES.values():
        assert scheme.source.split()[0] in shown.split("Sources")[1]


@pytest.mark.parametrize("arguments", [["double_well"], ["double_well", "--dynamics", "underdamped"], ["levy_area"]])
def test_those_listed_for_a_process_are_those_that_have_a_form_on_it(arguments, capsys):
    made = listed(capsys, *arguments)
    process = fpsde.process_named(arguments[0])
    process = fpsde.underdamped_of(process) if len(arguments) > 1 else process
    for name, scheme in SCHEMES.items():
        if name in made["refused"]:
            with pytest.raises(Unsuited) as refusal:
                traced_step(scheme, process)
            assert str(refusal.value).startswith(made["refused"][name])
            assert "Schemes that have a form" not in made["refused"][name]
        else:
            traced_step(scheme, process)
    assert {one["name"] for one in made["schemes"]} == SCHEMES.keys() - made["refused"].keys()
    assert ("baoab" in made["refused"]) is (len(arguments) == 1)


def test_on_a_process_the_orders_are_those_for_its_noise(capsys):
    assert main(["schemes", "geometric_brownian"]) == 0
    shown = capsys.readouterr().out
    rows = {line.split()[0]: line.split() for line in shown.split("Orders by class")[0].splitlines() if line}
    assert rows["euler_maruyama"][3:5] == ["0.5", "1"]
    assert rows["milstein"][3:5] == ["1", "1"]
    assert "sra1" not in rows
    assert "sra1" in shown.split("Without a form on geometric_brownian")[1]


def test_on_a_process_with_a_current_the_stationary_order_is_the_one_there(capsys):
    for arguments, order in (([], "2/1"), (["double_well"], "2"), (["rotating_ou"], "1")):
        assert main(["schemes", *arguments]) == 0
        rows = [line.split() for line in capsys.readouterr().out.split("Orders by class")[0].splitlines()]
        assert next(row[5] for row in rows if row[:1] == ["leimkuhler_matthews"]) == order
    assert main(["schemes", "--json", "-"]) == 0
    known = {one["name"]: one["stationary"] for one in json.loads(capsys.readouterr().out)["schemes"]}
    assert known["leimkuhler_matthews"] == {"where": "reversible", "order": 2.0, "elsewhere": 1.0}
    assert known["heun"] == 2.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dubble_well"], "did you mean 'double_well'"),
        (["double_well", "--dynamics", "under"], "known are overdamped, underdamped"),
        (["--json", "/nonexistent/x.json"], "cannot be written"),
    ],
)
def test_bad_input_of_schemes_exits_with_two(arguments, message, capsys):
    assert main(["schemes", *arguments]) == 2
    assert message in capsys.readouterr().err


# --- the kernel


def test_the_kernel_that_is_printed_is_the_one_that_runs(capsys):
    assert main(["kernel", *BAOAB[:5]]) == 0
    shown = capsys.readouterr().out
    process = fpsde.underdamped_of(fpsde.double_well())
    generated = step_source(traced_step(fpsde.baoab, process), "float64", Normals.FLOAT32)
    loop = shown.split("def step(w, z, c):\n")[1]
    assert loop in generated
    other = step_source(traced_step(fpsde.obabo, process), "float64", Normals.FLOAT32)
    assert loop not in other


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_cuda_kernel_that_is_printed_is_the_one_that_runs(dtype, capsys, monkeypatch):
    monkeypatch.setattr(steps, "gpus", tuple)
    assert main(["kernel", *BAOAB[:5], "--cuda", "--dtype", dtype]) == 0
    shown = capsys.readouterr().out
    process = fpsde.underdamped_of(fpsde.double_well())
    step = steps.step_of(process, fpsde.baoab, (), np.dtype(dtype), Normals.FLOAT32, fpsde.Backend.GPU)
    assert shown == step.machine.text.strip() + "\n"
    assert 'extern "C" __global__ void' in shown and "DEV void step(T* w, const T* z, const T* c)" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dubble_well"], "did you mean 'double_well'"),
        (["double_well", "--scheme", "milstien"], "did you mean 'milstein'"),
        (["double_well", "--dtype", "float16"], "dtype float16 is not one of"),
        (["double_well", "--scheme", "baoab"], "a splitting needs d = 2k components"),
    ],
)
def test_bad_input_of_kernel_exits_with_two(arguments, message, capsys):
    assert main(["kernel", *arguments]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""
