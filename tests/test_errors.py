"""The error classes and the error for an unknown name."""

from __future__ import annotations

import pytest

from fpsde.errors import BackendUnavailable, FpsdeError, InvalidInput, NotConverged, UnstableStep, unknown_name


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (InvalidInput, ValueError),
        (UnstableStep, ArithmeticError),
        (NotConverged, ArithmeticError),
        (BackendUnavailable, RuntimeError),
    ],
)
def test_every_error_is_caught_as_ours_and_as_pythons(error, builtin):
    assert issubclass(error, FpsdeError)
    assert issubclass(error, builtin)


def test_unknown_name_offers_the_nearest_and_lists_the_known():
    error = unknown_name("process", "duble_well", ["ornstein_uhlenbeck", "double_well"])
    assert isinstance(error, InvalidInput)
    assert str(error) == (
        "unknown process 'duble_well': did you mean 'double_well'? known are double_well, ornstein_uhlenbeck"
    )


def test_unknown_name_offers_nothing_where_nothing_is_near():
    assert str(unknown_name("process", "zzz", ["benes"])) == "unknown process 'zzz': known are benes"


def test_unknown_name_takes_what_is_not_text():
    assert str(unknown_name("wall", 3, ["absorbing"])) == "unknown wall 3: known are absorbing"
