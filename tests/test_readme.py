"""What the README prints is what runs."""

import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import fpsde
from fpsde.checks import Verdict
from fpsde.commands.orders_table import HEADING, by_scheme
from fpsde.convergence.documented import Kind, MeasuredOrder, documented, measured

ROOT = Path(__file__).parents[1]


def test_the_ten_line_example_runs_as_printed(tmp_path, monkeypatch, capsys) -> None:
    matplotlib.use("Agg")
    code = re.search(r"<!-- example -->\n```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    (tmp_path / "example.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(tmp_path / "example.py"), "exec"), {})
    assert "all edges hold" in capsys.readouterr().out
    assert (tmp_path / "own.png").stat().st_size > 10_000


def test_the_examples_of_particles_run_as_printed(capsys) -> None:
    blocks = re.findall(r"(<!-- example -->\n)?```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    (_, particles), (_, statements), (_, strong), (_, batch) = blocks[1:5]
    exec(particles, {})
    assert "have not by t = 10.0" in capsys.readouterr().out
    names: dict = {"fpsde": fpsde}
    exec(statements, names)
    assert names["oscillator"].channels == 1 and names["coupled"].dim == 4
    exec(strong, {})
    euler, milstein = (float(line.rsplit(" ", 1)[1]) for line in capsys.readouterr().out.splitlines())
    assert abs(euler - 0.5) < 0.05 and abs(milstein - 1) < 0.05
    exec(batch, {})
    assert "0% have crossed at temperature 0.1, " in capsys.readouterr().out


def test_the_example_of_orders_runs_as_printed(capsys) -> None:
    blocks = re.findall(r"<!-- example -->\n```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    names: dict = {}
    exec(blocks[4], names)
    out = capsys.readouterr().out
    assert re.search(r"Heun: order (1\.9\d|2\.0\d) in", out)
    assert 0.005 < names["well"].exact.stationary().variance - names["kept"].law.variance < 0.02
    assert abs(names["baoab"].law.covariance[0, 0] - 1) < 1e-12
    low, high = names["price"].interval(1 - 1e-8)
    assert low < 10.4506 < high and names["price"].cost < names["price"].plain_cost / 3


# --- the table of orders

#: A span in a cell: the order that is claimed, and between what the intervals lie.
SPAN = re.compile(r"([\d.]+) \(([\d.]+) to ([\d.]+)\)")


def table_of_orders() -> list[list[str]]:
    """The lines of the README's table of orders, without its heading."""
    text = re.search(r"<!-- orders -->\n(.*?)\n\n", (ROOT / "README.md").read_text() + "\n", re.S)[1]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert tuple(lines[0]) == HEADING
    return lines[2:]


def test_the_table_of_orders_states_what_the_library_documents() -> None:
    """Its claims are those of the schemes, and every span holds its claim and no other half of an order."""
    stand_ins = [
        MeasuredOrder(s, np.empty(0), np.empty(0), *numbers, Verdict.PASS, "", 0.0)
        for s in documented()
        for numbers in [(None,) * 3 if s.expected == np.inf else (s.expected, s.expected, s.expected)]
    ]
    claims = [[SPAN.sub(r"\1", cell) for cell in line] for line in by_scheme(stand_ins)]
    assert [[SPAN.sub(r"\1", cell) for cell in line] for line in table_of_orders()] == claims
    spans = [span for line in table_of_orders() for cell in line for span in SPAN.findall(cell)]
    assert len(spans) > 60
    for claimed, low, high in spans:
        assert float(claimed) - 0.1 < float(low) < float(claimed) < float(high) < float(claimed) + 0.1


@pytest.mark.slow
def test_the_table_of_orders_is_what_is_measured_without_sampling() -> None:
    fresh = {"platen_weak2", "leimkuhler_matthews", "baoab", "obab", "lf_middle", "mala", "ddpm_step", "sgld"}
    studies = [study for study in documented(sorted(fresh)) if study.kind is not Kind.STRONG]
    found = {line[0]: line[2:] for line in by_scheme([measured(s, seed=0, alpha=0.0) for s in studies])}
    printed = {line[0]: line[2:] for line in table_of_orders()}
    for name in fresh:
        for now, then in zip(found[name], printed[name], strict=True):
            assert SPAN.sub("", now) == SPAN.sub("", then)
            numbers = [[float(v) for span in SPAN.findall(cell) for v in span] for cell in (now, then)]
            assert numbers[0] == pytest.approx(numbers[1], abs=0.011)  # of a last digit


def test_the_test_file_runs_as_printed_and_a_sampler_that_is_a_little_wrong_fails_in_it(pytester) -> None:
    text = re.search(r"<!-- test file -->\n```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    assert len([line for line in text.splitlines() if line.strip()]) <= 12
    wrong = text.replace("np.sqrt(2 * dt)", "np.sqrt(2.1 * dt)")
    assert wrong != text
    pytester.makepyfile(test_mine=text, test_wrong=wrong)
    result = pytester.runpytest_inprocess("-p", "no:hypothesispytest")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*CheckFailed: density*", "*variance is 1.0*times that of the law*"])


def test_every_link_of_the_readme_leads_somewhere() -> None:
    for page in ("README.md", "figures/README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
            assert ((ROOT / page).parent / target).exists(), (page, target)
