"""Tests on a real GPU: skipped, with the reason, where there is none."""

from __future__ import annotations

import pytest

from fpsde.arrays import gpus
from fpsde.errors import BackendUnavailable


@pytest.fixture(scope="session")
def devices():
    """The GPUs of this machine."""
    try:
        return gpus()
    except BackendUnavailable as error:
        pytest.skip(str(error))
