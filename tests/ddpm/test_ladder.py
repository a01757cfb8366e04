"""The ladder of samplers: all rungs hold, and each planted defect fails on its own rung."""

import json
from functools import partial
from itertools import product
from typing import Any

import pytest

from fpsde.checks import Verdict
from fpsde.cli import main
from fpsde.ddpm.ladder import DATA, SCHEDULES, Defects, verify_samplers
from fpsde.errors import InvalidInput
from fpsde.plants import noise_changed

SMALL: dict[str, Any] = {"schedules": ("linear",), "n_particles": 30_000}


def test_a_sampler_holds_on_all_rungs_and_a_defect_fails_on_its_own(capsys: Any) -> None:
    arguments = ["ddpm", "verify", "gaussian", "--schedule", "linear", "--sampler", "ancestral(1)", "--json", "-"]
    arguments += ["--particles", "30000"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["holds"] and [check["edge"] for check in found["checks"]] == [0, 0, 1, 2]
    assert all(check["resolution"] > 0 for check in found["checks"])
    assert main([*arguments, "--plant", "noise*1.05"]) == 1
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert [check["edge"] for check in checks if check["verdict"] == "fail"] == [1]


@pytest.mark.slow
def test_a_sampler_with_too_much_noise_fails_against_the_data(capsys: Any) -> None:
    arguments = ["ddpm", "verify", "gaussian", "--schedule", "linear", "--sampler", "ancestral(1)", "--json", "-"]
    assert main([*arguments, "--plant", "stated noise*1.5"]) == 1
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert [check["edge"] for check in checks if check["verdict"] == "fail"] == [2]


def test_a_denoiser_that_is_wrong_never_comes_near() -> None:
    found = verify_samplers(("gaussian",), samplers=("karras",), defects=Defects(predicted=1.1), **SMALL)
    assert [rung.edge for rung in found.rungs if rung.result.verdict is Verdict.FAIL] == [2]
    assert found.exit_code == 1


def test_what_cannot_be_asked(capsys: Any) -> None:
    assert main(["ddpm", "verify", "--plant", "list"]) == 0
    assert "edge 1: the particles take 5 % too much noise" in capsys.readouterr().out
    for arguments, says in (
        (["gaussian", "--sampler", "ddmi"], "did you mean 'ddim'"),
        (["gaussian", "--schedule", "linaer"], "did you mean 'linear'"),
        (["gaussian", "--plant", "noise"], "unknown defect"),
        (["gausian"], "did you mean 'gaussian'"),
    ):
        assert main(["ddpm", "verify", *arguments]) == 2
        assert says in capsys.readouterr().err
    with pytest.raises(InvalidInput, match="n_particles"):
        verify_samplers(("gaussian",), n_particles=1)


def test_noise_of_each_part_of_a_step_is_judged() -> None:
    """Churn and corrector: all rungs hold, and particles with 5 % more noise fail on theirs."""
    for sampler, (kind, factor) in product(("karras(0.2)", "predictor_corrector"), (("", 1), ("particles", 1.05))):
        louder = partial(noise_changed, change=lambda value, dt, factor=factor: factor * value)
        wrong = Defects(**{kind: louder}) if kind else None
        found = verify_samplers(("gaussian",), samplers=(sampler,), defects=wrong, **SMALL)
        assert [rung.edge for rung in found.rungs if rung.result.verdict is Verdict.FAIL] == ([1] if kind else [])


@pytest.mark.slow
def test_a_corrector_with_too_much_noise_fails_against_the_data() -> None:
    """The law is that of the parts as they are stated: a defect of the scheme is one of each part."""
    wrong = Defects(stated=partial(noise_changed, change=lambda value, dt: 1.5 * value))
    found = verify_samplers(("gaussian",), samplers=("predictor_corrector",), defects=wrong, **SMALL)
    assert [rung.edge for rung in found.rungs if rung.result.verdict is Verdict.FAIL] == [2]


@pytest.mark.slow
@pytest.mark.parametrize(("data", "schedule"), [*product(DATA, SCHEDULES)], ids=lambda name: name)
def test_every_sampler_holds_on_every_schedule(data: str, schedule: str) -> None:
    """Each is judged: those in the plane as well whose steps are so long that a law needs millions of points."""
    found = verify_samplers((data,), schedules=(schedule,), n_particles=30_000)
    assert found.holds, [rung for rung in found.rungs if rung.result.verdict is not Verdict.PASS]
