"""The plugin of pytest, in sessions of its own: seeds, levels, verdicts, reports, workers."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as Xml
from collections.abc import Callable

import numpy as np
import pytest

import fpsde
from fpsde.checks import CheckResult, Verdict
from fpsde.errors import InvalidInput
from fpsde.ledger import CheckFailed, CheckUnderpowered, Ledger, share_of_check, shares

#: Tests of a normal sample: a right one, one whose variance is 4 % wrong, and one that is too small to tell.
THREE = """
import numpy as np, pytest, fpsde

def sample(seed, n=200_000, scale=1.0):
    return scale * np.random.default_rng(seed).standard_normal(n)

def test_right(fpsde_check, fpsde_seed):
    fpsde_check(fpsde.checks.density, sample(fpsde_seed), fpsde.Normal(0.0, 1.0))

@pytest.mark.fpsde(weight=2)
def test_wrong(fpsde_check, fpsde_seed):
    fpsde_check(fpsde.checks.density, sample(fpsde_seed, scale=1.02), fpsde.Normal(0.0, 1.0))

def test_small(fpsde_check, fpsde_seed):
    fpsde_check(fpsde.checks.density, sample(fpsde_seed, n=100), fpsde.Normal(0.0, 1.0), effect=0.01)
"""


#: What a session in this process leaves out: the cache, and a plugin that is compiled anew in each.
PLAIN = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")


@pytest.fixture
def session(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Run pytest on a file of tests, in this process."""

    def run(text: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(text)
        return pytester.runpytest_inprocess(*PLAIN, *options)

    return run


def rows_of(pytester: pytest.Pytester) -> list[dict]:
    return json.loads((pytester.path / "checks.json").read_text())["checks"]


# --- verdicts


def test_a_right_sample_passes_a_wrong_one_fails_and_a_small_one_is_an_error(session, pytester):
    result = session(THREE, "--fpsde-report", "checks.json")
    result.assert_outcomes(passed=1, failed=2)
    right, wrong, small = rows_of(pytester)
    assert [row["verdict"] for row in (right, wrong, small)] == ["pass", "fail", "underpowered"]
    result.stdout.fnmatch_lines(["*CheckFailed: density*", "*again: pytest*test_wrong*--fpsde-replay=*"])
    result.stdout.fnmatch_lines(["*CheckUnderpowered: density*"])
    result.stdout.fnmatch_lines(
        ["*fpsde: checks*", "3 checks: 1 fail, 1 pass, 1 underpowered; P(false alarm) <= 1e-06*"]
    )
    result.stdout.no_fnmatch_line("*ledger.py:*")  # a failure points at the line of the test


def test_the_session_divides_its_probability_by_weights(session, pytester):
    session(THREE, "--fpsde-report", "checks.json", "--fpsde-alpha", "4e-4")
    levels = {row["test"].split("::")[1]: row["alpha"] for row in rows_of(pytester)}
    # nothing is declared, so the first check of a test gets half of what the test may spend
    assert levels == pytest.approx({"test_right": 5e-5, "test_wrong": 1e-4, "test_small": 5e-5})


def test_a_failure_is_repeated_at_its_own_level_by_the_line_that_it_prints(session, pytester):
    first = session(THREE, "--fpsde-fresh", "--fpsde-report", "checks.json")
    wrong = rows_of(pytester)[1]
    line = next(line for line in first.outlines if "again: pytest" in line and "test_wrong" in line)
    node, replay = line.split("again: pytest ")[1].split()
    again = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", node.strip('"'), replay, "--fpsde-report=checks.json"
    )
    again.assert_outcomes(failed=1)
    assert rows_of(pytester) == [wrong]


def test_a_test_that_judges_nothing_fails(session):
    result = session("def test_nothing(fpsde_check): pass\ndef test_other(): pass\n")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*judges nothing*"])


def test_an_order_and_the_steps_of_paths_are_judged_too(session, pytester):
    text = """
    import numpy as np, fpsde
    H = 0.1 / 2 ** np.arange(6)
    def judged_steps(fpsde_check, seed, sigma):
        z = np.random.default_rng(seed).standard_normal((20, 5000))
        paths = np.vstack([np.zeros(5000), np.cumsum(0.1 * z, axis=0)])
        coefficients = {"drift": lambda x, t: 0 * x, "sigma": lambda x, t: sigma}
        fpsde_check(fpsde.checks.innovations, paths, 0.01 * np.arange(21), **coefficients)
    def test_order(fpsde_check): fpsde_check(fpsde.checks.order, H, 3 * H**2 + H**3, expected=2.0)
    def test_wrong_order(fpsde_check): fpsde_check(fpsde.checks.order, H, 3 * H**2 + H**3 + 0.001, expected=2.0)
    def test_steps(fpsde_check, fpsde_seed): judged_steps(fpsde_check, fpsde_seed, 1.0)
    def test_wrong_steps(fpsde_check, fpsde_seed): judged_steps(fpsde_check, fpsde_seed, 1.05)
    """
    session(text, "--fpsde-report=checks.json").assert_outcomes(passed=2, failed=2)


# --- seeds


PRINTED = "def test_a(fpsde_seed): print('drawn', fpsde_seed)\ndef test_b(fpsde_seed): print('drawn', fpsde_seed)\n"


def drawn(result: pytest.RunResult) -> tuple[str, str]:
    a, b = [line.split()[-1].rstrip(".") for line in result.outlines if "drawn" in line]
    return a, b


def test_seeds_are_pinned_and_differ_between_tests(session):
    a, b = drawn(session(PRINTED, "-s"))
    assert drawn(session(PRINTED, "-s")) == (a, b)
    assert a != b


def test_fresh_seeds_are_new_and_can_be_repeated(session):
    fresh = session(PRINTED, "-s", "--fpsde-fresh")
    header = next(line for line in fresh.outlines if line.startswith("fpsde: session seed"))
    number = header.split("--fpsde-seed ")[1].split(")")[0]
    assert not set(drawn(fresh)) & set(drawn(session(PRINTED, "-s")))
    assert drawn(session(PRINTED, "-s", "--fpsde-seed", number)) == drawn(fresh)


def test_seed_and_level_can_be_settings_and_the_command_line_has_the_last_word(session, pytester):
    pytester.makeini("[pytest]\nfpsde_seed = 5\nfpsde_alpha = 1e-3\n")
    session(PRINTED).stdout.fnmatch_lines(["fpsde: session seed 5 *P(false alarm) <= 0.001 *"])
    session(PRINTED, "--fpsde-seed=6", "--fpsde-alpha=1e-4").stdout.fnmatch_lines(["*seed 6 *<= 0.0001 *"])


# --- plan, reports, workers


def test_a_plan_runs_nothing_and_prints_the_levels(session, pytester):
    result = session(THREE, "--fpsde-plan", "--fpsde-report=checks.json")
    result.stdout.fnmatch_lines(["*fpsde: plan*", "2.5e-07 *test_right *", "5e-07 *test_wrong *no effect stated"])
    result.assert_outcomes()
    assert rows_of(pytester) == []


def test_a_plan_says_how_large_a_sample_must_be_for_the_effect_of_the_mark(session):
    text = """
    import fpsde, pytest
    @pytest.mark.fpsde(checks=2, check=fpsde.checks.moments, effect="variance 1%", power=0.99)
    def test_variance(fpsde_check): raise RuntimeError("run")
    @pytest.mark.fpsde(check=fpsde.checks.density, effect="distribution 0.01", law=fpsde.Uniform(0.0, 1.0))
    def test_distance(fpsde_check): raise RuntimeError("run")
    """
    expected = fpsde.checks.plan(fpsde.checks.moments, effect="variance 1%", alpha=2.5e-7, power=0.99).n
    result = session(text, "--fpsde-plan")
    result.stdout.fnmatch_lines([f"5e-07 *test_variance *n = {expected:,} for variance 1%*"])
    result.stdout.fnmatch_lines(["5e-07 *test_distance *n = * for distribution 0.01*"])
    wrong = session(text.replace("variance 1%", "varience 1%"), "--fpsde-plan")
    assert wrong.ret is pytest.ExitCode.USAGE_ERROR


def test_the_page_holds_every_check_and_stands_alone(session, pytester):
    session(THREE, "--fpsde-report", "checks.html")
    page = (pytester.path / "checks.html").read_text()
    assert all(name in page for name in ("test_right", "test_wrong", "test_small", "underpowered", "numpy"))
    assert "http" not in page and "<script" not in page


@pytest.mark.slow
def test_workers_agree_on_seeds_and_levels_and_send_what_they_found(pytester):
    pytester.makepyfile(THREE)
    common = (sys.executable, "-m", "pytest", "-q", *PLAIN, "--fpsde-seed=9")
    pytester.run(*common, "--fpsde-report=checks.json")
    alone = rows_of(pytester)
    result = pytester.run(*common, "-n2", "--fpsde-report=checks.json", "--junit-xml=junit.xml")
    result.stdout.fnmatch_lines(["3 checks: 1 fail, 1 pass, 1 underpowered;*session seed 9"])
    assert sorted(rows_of(pytester), key=lambda row: row["test"]) == sorted(alone, key=lambda row: row["test"])
    properties = Xml.parse(pytester.path / "junit.xml").iter("property")
    assert sorted(json.loads(p.attrib["value"])["verdict"] for p in properties) == ["fail", "pass", "underpowered"]


def test_loading_the_plugin_loads_nothing_heavy():
    code = "import sys, fpsde.pytest_plugin\nprint({'numpy', 'scipy', 'numba', 'sympy', 'rich'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "set()"


# --- bad input


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--fpsde-alpha=2", "*'2' is no probability*"),
        ("--fpsde-alpha=many", "*'many' is no probability*"),
        ("--fpsde-seed=-1", "*is no seed*"),
        ("--fpsde-replay=what", "*is no token*"),
        ("--fpsde-report=checks.txt", "*name a file .html or .json*"),
        ("--fpsde-report=/nowhere/checks.json", "*cannot be written*"),
    ],
)
def test_options_that_mean_nothing_are_refused(session, option, message):
    result = session(PRINTED, option)
    assert result.ret is pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_two_ways_to_choose_the_seed_are_refused(session):
    result = session(PRINTED, "--fpsde-fresh", "--fpsde-seed=3")
    assert result.ret is pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize("mark", ["weight=0", "checks=0", "wieght=2", "2"])
def test_marks_that_mean_nothing_are_refused(session, mark):
    text = f"import pytest\n@pytest.mark.fpsde({mark})\ndef test_a(fpsde_check): pass\n"
    result = session(text)
    assert result.ret is pytest.ExitCode.USAGE_ERROR


# --- the ledger itself


def ledger(**options) -> Ledger:
    return Ledger(**({"alpha": 1e-3, "seed": 1, "replay": "pytest again"} | options))


def verdict(kind: Verdict) -> Callable[..., CheckResult]:
    return lambda alpha: CheckResult("mine", kind, alpha=alpha)


def test_shares_add_up_whatever_the_number_of_checks():
    assert sum(share_of_check(k, 1e-6, None) for k in range(1, 10_000)) == pytest.approx(1e-6, rel=1.1e-4)
    assert 7 * share_of_check(3, 1e-6, 7) == pytest.approx(1e-6)
    assert sum(shares({"a": 1, "b": 3}, 1e-6).values()) == pytest.approx(1e-6)
    assert shares({}, 1e-6) == {}


def test_checks_of_ones_own_get_the_levels_in_turn():
    mine = ledger()
    assert [mine(verdict(Verdict.PASS)).alpha for _ in range(3)] == pytest.approx([5e-4, 1e-3 / 6, 1e-3 / 12])
    declared = ledger(declared=2)
    assert [declared(verdict(Verdict.PASS)).alpha for _ in range(2)] == [5e-4, 5e-4]
    with pytest.raises(InvalidInput, match="declares checks=2 and makes another"):
        declared(verdict(Verdict.PASS))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Verdict.FAIL, CheckFailed),
        (Verdict.UNDERPOWERED, CheckUnderpowered),
        (Verdict.NOT_APPLICABLE, CheckUnderpowered),
        (Verdict.NOT_JUDGED, CheckUnderpowered),
    ],
)
def test_only_a_pass_holds(kind, error):
    mine = ledger()
    with pytest.raises(error, match="pytest again"):
        mine(verdict(kind))
    assert len(mine.results) == 1


def test_a_level_is_not_chosen_by_hand():
    with pytest.raises(InvalidInput, match="leave it out"):
        ledger()(fpsde.checks.density, np.zeros(10), fpsde.Normal(0.0, 1.0), alpha=0.05)
