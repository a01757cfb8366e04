"""What the README prints is what runs."""

import re
from pathlib import Path

import matplotlib

import fpsde

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
    (_, particles), (_, statements), (_, strong) = blocks[1:4]
    exec(particles, {})
    assert "have not by t = 10.0" in capsys.readouterr().out
    names: dict = {"fpsde": fpsde}
    exec(statements, names)
    assert names["oscillator"].channels == 1 and names["coupled"].dim == 4
    exec(strong, {})
    euler, milstein = (float(line.rsplit(" ", 1)[1]) for line in capsys.readouterr().out.splitlines())
    assert abs(euler - 0.5) < 0.05 and abs(milstein - 1) < 0.05


def test_the_example_of_orders_runs_as_printed(capsys) -> None:
    blocks = re.findall(r"<!-- example -->\n```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    names: dict = {}
    exec(blocks[3], names)
    out = capsys.readouterr().out
    assert re.search(r"Heun: order (1\.9\d|2\.0\d) in", out)
    assert 0.005 < names["well"].exact.stationary().variance - names["kept"].law.variance < 0.02
    assert abs(names["baoab"].law.covariance[0, 0] - 1) < 1e-12
    low, high = names["price"].interval(1 - 1e-8)
    assert low < 10.4506 < high and names["price"].cost < names["price"].plain_cost / 3


def test_every_link_of_the_readme_leads_somewhere() -> None:
    for page in ("README.md", "figures/README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
            assert ((ROOT / page).parent / target).exists(), (page, target)
