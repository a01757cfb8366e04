"""The seeds that conftest.py gives to the tests, read off runs of pytest in a folder of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
TWO_TESTS = "def test_a(seed): print(f'drawn {seed}')\ndef test_b(seed): print(f'drawn {seed}')\n"


@pytest.fixture
def run(tmp_path):
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "test_two.py").write_text(TWO_TESTS)

    def run_pytest(*options: str) -> tuple[list[str], str]:
        """Return the seeds of the two tests and the header line."""
        command = [sys.executable, "-m", "pytest", "-s", "-c", "/dev/null", "--rootdir", str(tmp_path), *options]
        text = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        drawn = [word for line in text.splitlines() if "drawn" in line for word in line.split() if word.isdigit()]
        return drawn, next(line for line in text.splitlines() if line.startswith("fpsde: session seed"))

    return run_pytest


def test_seeds_are_pinned_and_differ_between_tests(run):
    (a, b), header = run()
    assert run() == ([a, b], header)
    assert a != b


def test_fresh_seeds_are_new_and_can_be_repeated(run):
    pinned, _ = run()
    fresh, header = run("--fpsde-fresh")
    again, _ = run("--fpsde-seed", header.removesuffix(")").split()[-1])
    assert not set(fresh) & set(pinned)
    assert again == fresh
