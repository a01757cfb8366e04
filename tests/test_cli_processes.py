"""The command processes: the catalogue as a table and as JSON; and what the command line says of itself."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest

import fpsde
from fpsde.cli import main
from fpsde.commands.processes_command import KNOWN
from fpsde.processes import CATALOGUE


def listed(capsys, *arguments):
    assert main(["processes", *arguments, "--json", "-"]) == 0
    text = capsys.readouterr().out
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))["processes"]


def test_every_process_is_listed_with_what_it_says_of_itself(capsys):
    made = listed(capsys)
    assert [one["name"] for one in made] == list(CATALOGUE)
    for one in made:
        process = fpsde.process_named(one["name"])
        assert (one["equation"], one["dim"]) == (process.equation, process.dim)
        assert (one["t_end"], one["dt"]) == (process.setting.t_end, process.setting.dt)
        assert one["parameters"].keys() == process.params.keys()
        for name, value in process.params.items():
            np.testing.assert_array_equal(one["parameters"][name], value)
        if isinstance(process.setting.x0, int | float | tuple):
            np.testing.assert_array_equal(one["x0"], process.setting.x0)
        for known in fields(fpsde.Exact):
            assert (known.name in one["known"]) is (getattr(process.exact, known.name) is not None)


def test_there_are_words_for_all_that_can_be_known():
    assert KNOWN.keys() == {one.name for one in fields(fpsde.Exact)}


def test_the_table_has_a_row_for_each(capsys):
    assert main(["processes"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line[:1].strip()}
    assert rows.keys() >= CATALOGUE.keys()
    row = rows["brownian"].split()
    assert row[1:8] == ["1", "dX", "=", "drift", "dt", "+", "sigma"]
    assert row[-7:] == ["sigma=0.8", "0.3", "1", "0.05", "law,", "moments,", "path"]
    assert rows["mueller_brown"].split()[-2:] == ["0.02", "0.0002"]  # nothing is known


def test_all_of_one_is_shown(capsys):
    assert main(["processes", "brownian_absorbing"]) == 0
    shown = capsys.readouterr().out
    for words in ("dX = drift dt + sigma dW", "(0, 1), walls: absorbing", "drift=0.5, sigma=0.8", "0.25, 0.00625"):
        assert words in shown
    assert "transition: law of X_t from a point" in shown
    assert "stationary" not in shown
    assert main(["processes", "double_well", "--dynamics", "underdamped"]) == 0
    shown = capsys.readouterr().out
    assert "temperature=0.25, friction=1, mass=1" in shown
    assert "stationary_component: stationary law of components" in shown
    assert main(["processes", "variance_preserving"]) == 0
    assert "Mixture(weights=(0.3, 0.7)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dubble_well"], "did you mean 'double_well'"),
        (["geometric_brownian", "--dynamics", "underdamped"], "states no potential"),
        (["--json", "/nonexistent/x.json"], "cannot be written"),
    ],
)
def test_bad_input_exits_with_two(arguments, message, capsys):
    assert main(["processes", *arguments]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""


def test_the_version_and_the_way_to_the_names_are_shown(capsys):
    for argument, words in (("--version", f"fpsde {fpsde.__version__}\n"), ("--help", "`fpsde processes` lists")):
        with pytest.raises(SystemExit) as stop:
            main([argument])
        assert stop.value.code == 0
        assert words in capsys.readouterr().out


@pytest.mark.parametrize("command", ["verify", "simulate", "fokker-planck", "processes", "schemes", "kernel"])
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"usage: fpsde {command}" in capsys.readouterr().out
