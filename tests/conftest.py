"""What all tests share: pictures without a screen, tables of one width, and the seed of each test by a short name."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["pytester"]

os.environ.setdefault("MPLBACKEND", "Agg")  # pictures are drawn without a screen, on a desktop too
os.environ.pop("COLUMNS", None)  # tables have the width that they have in a pipe


@pytest.fixture
def seed(fpsde_seed: int) -> int:
    """The seed of this test: pinned, its own, and a new one with ``--fpsde-fresh``."""
    return fpsde_seed
