"""Seeds of the tests: pinned, one for each test, and all of them new with ``--fpsde-fresh``."""

from __future__ import annotations

import hashlib
import os
import secrets

import numpy as np
import pytest

#: The session seed of an ordinary run: results of a commit are then the same on every run.
PINNED = 20261101

os.environ.setdefault("MPLBACKEND", "Agg")  # pictures are drawn without a screen, on a desktop too
os.environ.pop("COLUMNS", None)  # tables have the width that they have in a pipe


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fpsde")
    group.addoption("--fpsde-fresh", action="store_true", help="draw a new session seed (it is printed)")
    group.addoption("--fpsde-seed", type=int, metavar="N", help="repeat the session seed N of an earlier run")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.fpsde_seed is None:
        config.option.fpsde_seed = secrets.randbits(32) if config.option.fpsde_fresh else PINNED


def pytest_report_header(config: pytest.Config) -> str:
    seed = config.option.fpsde_seed
    return f"fpsde: session seed {seed} (repeat with --fpsde-seed {seed})"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A 64-bit seed: a function of the session seed and of the id of this test, so that no two tests share one."""
    words = np.frombuffer(hashlib.sha256(request.node.nodeid.encode()).digest(), dtype="<u4")
    sequence = np.random.SeedSequence([request.config.option.fpsde_seed, *words.tolist()])
    return int(sequence.generate_state(1, np.uint64)[0])
