"""``fpsde converge``: what it prints, what it writes for programs, its picture and its exit codes."""

import json
from dataclasses import replace

import pytest

from fpsde.cli import main
from fpsde.commands import converge_command
from fpsde.convergence.weak import judged


def test_the_json_has_both_orders_with_intervals(capsys) -> None:
    assert main(["converge", "milstein", "--process", "geometric_brownian", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["scheme"], found["process"]) == ("milstein", "geometric_brownian")
    assert set(found["strong"]) == {"order", "low", "high", "theory"}
    assert set(found["weak"]) == {"order", "low", "high", "theory", "intercept", "intercept_low", "intercept_high"}
    for kind in ("strong", "weak"):
        one = found[kind]
        assert one["low"] < one["theory"] == 1.0 < one["high"]
        assert found["verdicts"][kind] == "pass"
    assert found["weak"]["intercept_low"] <= 0 <= found["weak"]["intercept_high"]
    assert found["provenance"]["seed"] == 20_240_501


def test_the_table_and_the_picture(capsys, tmp_path) -> None:
    code = main(["converge", "euler_maruyama", "--process", "double_well", "--out", str(tmp_path)])
    shown = capsys.readouterr().out
    assert "euler_maruyama on double_well" in shown and "strong (successive steps)" in shown and "weak (E x^2)" in shown
    assert code in (0, 2)
    assert (tmp_path / "converge.png").stat().st_size > 10_000
    assert json.loads((tmp_path / "converge.json").read_text())["weak"]["theory"] == 1.0


def test_a_scheme_without_a_strong_order_has_a_weak_one(capsys) -> None:
    assert main(["converge", "platen_weak2", "--process", "geometric_brownian"]) == 0
    shown = capsys.readouterr().out
    assert "no strong order: platen_weak2 claims no strong order" in shown
    assert "weak (E x^2)" in shown


def test_an_error_that_does_not_go_to_zero_fails(monkeypatch, capsys) -> None:
    real = converge_command.weak_order

    def biased(process, scheme, **options):
        found = real(process, scheme, **options)["x^2"]
        errors = found.errors + 0.01
        return {"x^2": replace(found, errors=errors, result=judged(found.dts, errors, found.accuracy, found.theory))}

    monkeypatch.setattr(converge_command, "weak_order", biased)
    assert main(["converge", "euler_maruyama", "--process", "ornstein_uhlenbeck"]) == 1
    assert "fail" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["milstien", "--process", "double_well"], "did you mean 'milstein'"),
        (["milstein", "--process", "double_wel"], "did you mean 'double_well'"),
        (["milstein", "--process", "double_well", "--set", "temperature"], "there is no '='"),
        (["exact_sampling", "--process", "double_well"], "neither order can be measured"),
    ],
)
def test_bad_input(arguments, message, capsys) -> None:
    assert main(["converge", *arguments]) == 2
    assert message in capsys.readouterr().err
