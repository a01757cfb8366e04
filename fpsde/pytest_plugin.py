"""A plugin of pytest: statistical checks in your own tests, with one stated false-alarm probability for the session.

::

    def test_my_sampler(fpsde_check, fpsde_seed):
        x = my_sampler(n=200_000, seed=fpsde_seed)
        fpsde_check(fpsde.checks.density, x, fpsde.Normal(0.0, 1.0))

Before the first test, the probability ``fpsde_alpha`` (1e-6 unless set) is divided among all tests that use the fixture
``fpsde_check``, by ``@pytest.mark.fpsde(weight=...)``; each verdict is final at once. Every worker of pytest-xdist
collects the same tests, so all agree on the levels. Results travel as properties of the reports, and so reach the
summary, the report file and JUnit's XML from any worker.

The seed of a test is a function of the session's seed and of the id of the test. It is pinned (``fpsde_seed`` in the
settings) unless ``--fpsde-fresh`` draws another.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fpsde.errors import FpsdeError
from fpsde.ledger import Ledger, share_of_check, shares
from fpsde.writing import refuse_unwritable

#: What a session may spend, and the session's seed, unless the settings or the command line say otherwise.
ALPHA, SEED = 1e-6, 0
PROPERTY = "fpsde"


@dataclass(eq=False)  # itself a plugin: pytest keeps these in sets
class Session:
    """What all tests of a session share. ``replayed`` is the level of a test that is repeated alone."""

    seed: int
    alpha: float
    replayed: float | None
    levels: dict[str, float] = field(default_factory=dict)
    plans: dict[str, str] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the checks of a test: read off its report, which may come from another process."""
        if report.when == "call":
            self.rows += [json.loads(str(value)) for name, value in report.user_properties if name == PROPERTY]

    def token(self, level: float) -> str:
        """Return what ``--fpsde-replay`` takes to repeat a test: the session's seed and the level of the test."""
        return f"{self.seed:x}:{level!r}"


SESSION = pytest.StashKey[Session]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """State the options and settings."""
    group = parser.getgroup("fpsde", "statistical checks of fpsde")
    group.addoption("--fpsde-alpha", metavar="ALPHA", help="false-alarm probability of the session (1e-6)")
    group.addoption("--fpsde-seed", metavar="N", help="seed of the session, as an earlier run printed it")
    group.addoption("--fpsde-fresh", action="store_true", help="draw a new seed for the session (it is printed)")
    group.addoption("--fpsde-replay", metavar="TOKEN", help="repeat a test as the message of its failure says")
    group.addoption("--fpsde-plan", action="store_true", help="run nothing: print levels and sample sizes")
    group.addoption("--fpsde-report", metavar="FILE", help="write all checks to FILE.html or FILE.json")
    parser.addini("fpsde_alpha", f"false-alarm probability of the session ({ALPHA:g})")
    parser.addini("fpsde_seed", f"seed of the session ({SEED})")


def pytest_configure(config: pytest.Config) -> None:
    """Read the options, and say what is wrong with them before anything is collected."""
    config.addinivalue_line(
        "markers",
        "fpsde(weight=1, checks=None, check=None, effect=None, law=None, power=None): the share of this test of the "
        "session's false-alarm probability, the number of checks that divide it equally, and what fpsde.checks.plan "
        "is asked for by --fpsde-plan",
    )
    seed, replayed = _seed(config)
    config.stash[SESSION] = Session(seed, _alpha(config), replayed)
    config.pluginmanager.register(config.stash[SESSION], "fpsde session")
    _refuse_a_report_that_cannot_be_written(config.option.fpsde_report)


def _alpha(config: pytest.Config) -> float:
    text = config.option.fpsde_alpha or config.getini("fpsde_alpha") or str(ALPHA)
    try:
        alpha = float(text)
    except ValueError:
        alpha = -1.0
    if not 0 < alpha < 1:
        raise pytest.UsageError(f"fpsde_alpha={text!r} is no probability; give a number between 0 and 1, such as 1e-6")
    return alpha


def _seed(config: pytest.Config) -> tuple[int, float | None]:
    """Return the session's seed and, where a test is repeated, its level. A worker has the seed of its controller."""
    option = config.option
    if sum(map(bool, (option.fpsde_seed, option.fpsde_fresh, option.fpsde_replay))) > 1:
        raise pytest.UsageError("--fpsde-seed, --fpsde-fresh and --fpsde-replay choose the seed; give one of them")
    if option.fpsde_replay:
        return _read_token(option.fpsde_replay)
    if (handed := getattr(config, "workerinput", {}).get(PROPERTY)) is not None:
        return handed, None
    if option.fpsde_fresh:
        return secrets.randbits(32), None
    text = option.fpsde_seed or config.getini("fpsde_seed") or str(SEED)
    if not text.isdecimal():
        raise pytest.UsageError(f"fpsde_seed={text!r} is no seed; give an integer, 0 or more")
    return int(text), None


def _read_token(token: str) -> tuple[int, float]:
    seed, _, level = token.partition(":")
    try:
        read = int(seed, 16), float(level)
    except ValueError:
        read = -1, -1.0
    if read[0] < 0 or not 0 < read[1] < 1:
        raise pytest.UsageError(f"--fpsde-replay={token} is no token; copy the line that the failed check printed")
    return read


def _refuse_a_report_that_cannot_be_written(file: str | None) -> None:
    if file is None:
        return
    if Path(file).suffix not in (".html", ".json"):
        raise pytest.UsageError(f"--fpsde-report={file} is neither a page nor data; name a file .html or .json")
    try:
        refuse_unwritable([file])
    except FpsdeError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the seed to a worker of pytest-xdist."""
    node.workerinput[PROPERTY] = node.config.stash[SESSION].seed


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Return the seed and what the session may spend."""
    session = config.stash[SESSION]
    lines = [
        f"fpsde: session seed {session.seed} (repeat with --fpsde-seed {session.seed}); "
        f"P(false alarm) <= {session.alpha:g} for the session"
    ]
    if getattr(config.option, "reruns", None):
        lines.append("fpsde: --reruns repeats a failed test on the same seed, and so in the same way")
    return lines


def pytest_collection_finish(session: pytest.Session) -> None:
    """Divide the session's probability among the tests that are going to run."""
    state = session.config.stash[SESSION]
    marks = {item.nodeid: _mark(item) for item in session.items if "fpsde_check" in _fixtures(item)}
    weights = {test: mark["weight"] for test, mark in marks.items()}
    state.levels = shares(weights, state.alpha) if state.replayed is None else dict.fromkeys(weights, state.replayed)
    if session.config.option.fpsde_plan:
        state.plans = {test: _planned(mark, state.levels[test], test) for test, mark in marks.items()}


def _planned(mark: dict[str, Any], level: float, test: str) -> str:
    """Return the sample that a test needs for the first of its checks, where its marker says what it must see."""
    if mark["check"] is None and mark["effect"] is None:
        return "no effect stated"
    from fpsde.checks import plan

    options = {name: mark[name] for name in ("effect", "law", "power") if mark[name] is not None}
    try:
        return str(plan(mark["check"], alpha=share_of_check(1, level, mark["checks"]), **options))
    except (FpsdeError, TypeError) as error:
        raise pytest.UsageError(f"{test}: {error}") from error


def _fixtures(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


#: What the marker of a test may say, and what it says where it does not.
MARK: dict[str, Any] = {"weight": 1.0, "checks": None, "check": None, "effect": None, "law": None, "power": None}


def _mark(item: pytest.Item) -> dict[str, Any]:
    """Return what the marker of a test says; the one that is nearest to the test counts."""
    mark = item.get_closest_marker("fpsde")
    said = MARK | ({} if mark is None else dict(mark.kwargs))
    weight, checks = said["weight"], said["checks"]
    right = not (mark and mark.args) and set(said) == set(MARK)
    right = right and isinstance(weight, int | float) and 0 < weight < float("inf")
    if not (right and (checks is None or (isinstance(checks, int) and checks > 0))):
        raise pytest.UsageError(
            f"{item.nodeid}: {mark and mark.args} {mark and mark.kwargs} is no mark of fpsde; write @pytest.mark.fpsde("
            f"weight=2, checks=3, check=fpsde.checks.density, effect='variance 1%') with a positive weight and number, "
            f"or less"
        )
    return said


@pytest.fixture
def fpsde_seed(request: pytest.FixtureRequest) -> int:
    """Return a 64-bit seed: a function of the session's seed and of the id of this test, so that no two share one."""
    text = f"{request.config.stash[SESSION].seed} {request.node.nodeid}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


@pytest.fixture
def fpsde_check(request: pytest.FixtureRequest, fpsde_seed: int) -> Ledger:
    """Return the checks of this test: a :class:`fpsde.ledger.Ledger` with the level that the session gives to it."""
    item, session = request.node, request.config.stash[SESSION]
    level = session.levels[item.nodeid]

    def record(row: dict[str, Any]) -> None:
        item.user_properties.append((PROPERTY, json.dumps({"test": item.nodeid, "seed": fpsde_seed} | row)))

    replay = f'pytest "{item.nodeid}" --fpsde-replay={session.token(level)}'
    return Ledger(level, fpsde_seed, replay, _mark(item)["checks"], record)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Fail a test that asks for a share of the probability, passes, and has judged nothing."""
    outcome = yield
    ledger = pyfuncitem.funcargs.get("fpsde_check")
    if isinstance(ledger, Ledger) and not ledger.results:
        pytest.fail("this test takes fpsde_check and judges nothing with it: it cannot fail", pytrace=False)
    return outcome


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run nothing where only the plan is asked for."""
    return True if session.config.option.fpsde_plan else None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the plan, or one line for each check that was made."""
    session = config.stash[SESSION]
    if config.option.fpsde_plan:
        terminalreporter.section("fpsde: plan")
        terminalreporter.write_line(f"P(false alarm) <= {session.alpha:g}, divided among {len(session.levels)} tests:")
        rows = [(f"{level:.3g}", test, session.plans.get(test, "")) for test, level in session.levels.items()]
        _write_table(terminalreporter, ("level", "test", "sample"), rows)
    elif session.rows:
        terminalreporter.section("fpsde: checks")
        _write_table(terminalreporter, ("verdict", *NUMBERS, "check", "test"), list(map(_cells, session.rows)))
        terminalreporter.write_line(summary(session))


#: The numbers of a check that the summary shows.
NUMBERS = ("statistic", "threshold", "resolution", "alpha", "n")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    numbers = ["" if row[name] is None else f"{row[name]:.4g}" for name in NUMBERS[:-1]]
    return row["verdict"], *numbers, "" if row["n"] is None else f"{row['n']:,}", row["check"], row["test"]


def _write_table(terminalreporter: Any, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        terminalreporter.write_line(line.rstrip())


def summary(session: Session) -> str:
    """Return in one sentence what the session's checks found, and what they may have spent on it."""
    verdicts = [row["verdict"] for row in session.rows]
    told = ", ".join(f"{verdicts.count(v)} {v}" for v in sorted(set(verdicts)))
    spent = "repeated at its own level" if session.replayed else f"P(false alarm) <= {session.alpha:g}"
    return f"{len(verdicts)} checks: {told}; {spent}; session seed {session.seed}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report, once, where all results come together."""
    config = session.config
    if config.option.fpsde_report and not hasattr(config, "workerinput"):
        state = config.stash[SESSION]
        from fpsde.ledger_page import write

        write(Path(config.option.fpsde_report), state.rows, summary=summary(state), seed=state.seed)
