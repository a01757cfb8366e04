"""``fpsde converge``: what it prints, what it writes for programs, its picture and its exit codes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fpsde.checks import Verdict
from fpsde.cli import main
from fpsde.commands import converge_command
from fpsde.commands.orders_table import by_scheme
from fpsde.convergence import documented
from fpsde.convergence.measured import MEASURED
from fpsde.convergence.weak import judged
from fpsde.convergence.weak_problems import WeakProblem
from fpsde.errors import NotConverged


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


@pytest.mark.slow
def test_an_error_that_does_not_go_to_zero_fails(monkeypatch, capsys) -> None:
    real = converge_command.weak_order

    def biased(process, scheme, **options):
        found = real(process, scheme, **options)["x^2"]
        errors = found.errors + 0.01
        return {"x^2": replace(found, errors=errors, result=judged(found.dts, errors, found.accuracy, found.theory))}

    monkeypatch.setattr(converge_command, "weak_order", biased)
    assert main(["converge", "euler_maruyama", "--process", "ornstein_uhlenbeck"]) == 1
    assert "fail" in capsys.readouterr().out


# --- every scheme against the orders that it documents

#: Two schemes without a strong order and with few studies: nothing is sampled.
CHEAP = ["ddpm_step", "exact_sampling"]


def test_all_shows_a_line_for_each_scheme_and_writes_a_row_for_each_study(capsys, tmp_path) -> None:
    assert main(["converge", "--all", *CHEAP, "--out", str(tmp_path), "--json", str(tmp_path / "own.json")]) == 0
    shown = capsys.readouterr().out
    assert "ddpm_step" in shown and "1 (0.99 to 1.01)" in shown and "2 schemes, 3 studies: all hold." in shown
    record = json.loads((tmp_path / "own.json").read_text())
    assert record == json.loads((tmp_path / "orders.json").read_text()) | {"studies": record["studies"]}
    assert record["holds"] and record["complete"] and record["provenance"]["seed"] == 20_240_501
    first, *exact = record["studies"]
    assert (first["kind"], first["noise"], first["claimed"], first["expected"]) == ("weak", "additive", 1.0, 1.0)
    assert first["low"] < 1.0 < first["high"] < first["low"] + 0.1 and len(first["dts"]) == len(first["errors"]) == 6
    assert [row["expected"] for row in exact] == ["exact", "exact"]
    page = (tmp_path / "orders.md").read_text()
    assert "| exact_sampling | none" in page and "variance preserving" in page


def test_a_scheme_that_does_not_hold_is_named_and_fails(monkeypatch, capsys) -> None:
    right = MEASURED["ddpm_step"]
    monkeypatch.setitem(MEASURED, "ddpm_step", replace(right, weak=replace(right.weak, additive=2.0)))
    assert main(["converge", "--all", *CHEAP]) == 1
    shown = capsys.readouterr().out
    assert "ddpm_step, weak: variance preserving: fail: " in shown and "3 studies: 1 fail." in shown


def test_what_cannot_be_computed_is_not_judged_and_the_others_go_on(monkeypatch, capsys) -> None:
    def unsettled(self, scheme):
        raise NotConverged("nothing settles here")

    monkeypatch.setattr(WeakProblem, "errors", unsettled)
    assert main(["converge", "--all", *CHEAP]) == 2
    shown = capsys.readouterr().out
    assert "ddpm_step, weak: variance preserving: not judged: nothing settles here" in shown
    assert "3 studies: 2 not judged." in shown


def test_ctrl_c_keeps_what_was_measured(monkeypatch, capsys, tmp_path) -> None:
    real = documented.measured

    def stopping(study, **options):
        if study.scheme == "exact_sampling":
            raise KeyboardInterrupt
        return real(study, **options)

    monkeypatch.setattr(documented, "measured", stopping)
    assert main(["converge", "--all", *CHEAP, "--json", str(tmp_path / "orders.json")]) == 130
    shown = capsys.readouterr()
    assert "1 of 3 studies were measured" in shown.err and "ddpm_step" in shown.out
    record = json.loads((tmp_path / "orders.json").read_text())
    assert not record["holds"] and not record["complete"] and len(record["studies"]) == 1
    assert main(["converge", "--all", "exact_sampling"]) == 130
    shown = capsys.readouterr().out
    assert "0 studies: none was measured" in shown and "all hold" not in shown


def test_claims_that_differ_by_noise_are_told_apart_and_spans_hold_all_intervals() -> None:
    studies = [s for s in documented.documented(["euler_maruyama"]) if s.kind is documented.Kind.STRONG]
    wide = np.array([0.1, 0.05])
    rows = [
        documented.MeasuredOrder(s, wide, wide, s.expected, s.expected - 0.02, s.expected + 0.01, Verdict.PASS, "", 0.0)
        for s in studies
    ]
    ((name, strong, weak, bias),) = by_scheme(rows)
    assert (name, weak, bias) == ("euler_maruyama", "none", "none")
    assert strong == "commutative, general: 0.5 (0.48 to 0.51); additive: 1 (0.98 to 1.01)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["milstien", "--process", "double_well"], "did you mean 'milstein'"),
        (["milstein", "--process", "double_wel"], "did you mean 'double_well'"),
        (["milstein", "--process", "double_well", "--set", "temperature"], "there is no '='"),
        (["exact_sampling", "--process", "double_well"], "neither order can be measured"),
        (["milstein"], "give one SCHEME and its --process PROCESS, or --all"),
        (["milstein", "heun", "--process", "double_well"], "give one SCHEME"),
        (["--all", "--process", "double_well"], "--all has problems of its own"),
        (["--all", "milstien"], "did you mean 'milstein'"),
    ],
)
def test_bad_input(arguments, message, capsys) -> None:
    assert main(["converge", *arguments]) == 2
    assert message in capsys.readouterr().err
