"""The command line: exit codes, JSON, the report folder, and errors that help."""

import json
import os

import pytest

from fpsde.cli import main

QUICK = ["--particles", "1e5", "--alpha", "1e-8"]


def run(*arguments):
    return main(["verify", *arguments])


def test_a_process_that_holds_exits_with_zero(capsys) -> None:
    assert run("ornstein_uhlenbeck", *QUICK) == 0
    shown = capsys.readouterr().out
    assert "1 chain, " in shown
    assert "all hold" in shown
    assert "P(false alarm) <= 1e-08" in shown


def test_a_plant_exits_with_one_and_names_its_edge(capsys) -> None:
    assert run("ornstein_uhlenbeck", *QUICK, "--plant", "sqrt(dt)->dt") == 1
    assert "edge 1 fails" in " ".join(capsys.readouterr().out.split())


def test_an_underpowered_run_exits_with_two() -> None:
    assert run("double_well", "--particles", "100") == 2


def test_json_on_standard_output_has_every_field(capsys) -> None:
    assert run("ornstein_uhlenbeck", *QUICK, "--seed", "7", "--json", "-") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["holds"] is True
    assert report["seed"] == 7
    fields = {
        "process",
        "scheme",
        "edge",
        "check",
        "verdict",
        "statistic",
        "threshold",
        "tolerance",
        "alpha",
        "resolution",
        "n",
    }
    assert all(fields <= row.keys() for row in report["checks"])
    assert {row["edge"] for row in report["checks"]} == {1, 2, 3}
    assert report["provenance"]["numpy"]


def test_a_folder_gets_the_page_the_numbers_and_a_figure(tmp_path) -> None:
    assert run("double_well", *QUICK, "--out", str(tmp_path / "out")) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"report.json", "report.html", "double_well-euler_maruyama.png"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "data:image/png;base64," in page
    assert "http" not in page.replace("http-equiv", "")


def test_parameters_are_set_by_name(capsys) -> None:
    assert run("ornstein_uhlenbeck", "--set", "theta=1.5", "--set", "sigma=0.5", *QUICK) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dubble_well"], "did you mean 'double_well'"),
        (["double_well", "--set", "temprature=0.5"], "did you mean 'temperature'"),
        (["double_well", "--set", "temperature"], "there is no '='"),
        (["double_well", "--set", "temperature=warm"], "'warm' is not a number"),
        (["double_well", "brownian", "--set", "temperature=1"], "exactly one process"),
        (["double_well", "--scheme", "milstien"], "did you mean 'milstein'"),
        (["double_well", "--plant", "noise"], "did you mean"),
        (["double_well", "--dt", "0.3"], "does not divide"),
        (["double_well", "--dt", "-1"], "must be positive"),
        (["double_well", "--particles", "0"], "at least 2"),
        (["double_well", "--plant", "ito as stratonovich"], "changes nothing on double_well"),
    ],
)
def test_bad_input_exits_with_two_and_says_what_to_do(arguments, message, capsys) -> None:
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err


def test_the_list_of_plants_names_edges(capsys) -> None:
    assert run("--plant", "list") == 0
    assert "noise*1.01                   edge 1" in capsys.readouterr().out


def test_an_output_folder_that_cannot_be_made_is_an_error(tmp_path, capsys) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    assert run("brownian", "--particles", "1e4", "--out", str(blocker / "out")) == 2
    assert "cannot be made" in capsys.readouterr().err


def test_a_target_that_cannot_be_written_is_refused_before_anything_is_computed(capsys) -> None:
    assert run("double_well", "--json", "/nonexistent/x.json") == 2
    shown = capsys.readouterr()
    assert "cannot be written" in shown.err
    assert shown.out == ""


def test_a_default_step_is_made_to_divide_the_horizon(capsys) -> None:
    assert run("ornstein_uhlenbeck", *QUICK, "--t-end", "0.51") == 0  # the default step is 0.025
    assert "1 chain" in capsys.readouterr().out


def test_start_and_window_can_be_chosen() -> None:
    assert run("double_well", "--x0", "-0.4", "--window", "-2.2", "2.2", *QUICK) == 0


def test_underpowered_is_not_called_failing(capsys) -> None:
    assert run("double_well", "--particles", "100") == 2
    assert "1 of the chains not decided" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["kernel", "double_well"], ["verify", "--plant", "list"]])
def test_a_reader_that_leaves_ends_the_command_without_a_traceback(arguments, monkeypatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as left:
        monkeypatch.setattr("sys.stdout", left)
        assert main(arguments) == 141
