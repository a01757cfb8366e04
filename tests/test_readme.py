"""What the README prints is what runs."""

import re
from pathlib import Path

import matplotlib

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


def test_the_example_of_particles_runs_as_printed(capsys) -> None:
    _, code = re.findall(r"<!-- example -->\n```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    exec(code, {})
    out = capsys.readouterr().out
    assert "have not by t = 10.0" in out and out.endswith("True\n")


def test_every_link_of_the_readme_leads_somewhere() -> None:
    for page in ("README.md", "figures/README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
            assert ((ROOT / page).parent / target).exists(), (page, target)
