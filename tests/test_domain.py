"""Intervals and their walls."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput


def test_the_line_has_no_end_and_no_wall():
    assert (LINE.low, LINE.high) == (-math.inf, math.inf)
    assert not LINE.walled
    assert not LINE.periodic


@pytest.mark.parametrize("wall", [Wall.REFLECTING, Wall.PERIODIC, Wall.ABSORBING])
def test_between_puts_the_same_wall_at_both_ends(wall):
    interval = Interval.between(-1, 3, wall)
    assert (interval.low_wall, interval.high_wall) == (wall, wall)
    assert interval.length == 4
    assert interval.walled
    assert interval.periodic == (wall is Wall.PERIODIC)


def test_one_wall_is_enough_to_be_walled():
    assert Interval(0, math.inf, low_wall=Wall.ABSORBING).walled
    assert not Interval(0, math.inf).walled


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((1, 1), r"domain \(1, 1\) is empty; low must be below high"),
        ((2, 1), r"domain \(2, 1\) is empty"),
        ((np.nan, 1), r"domain \(nan, 1\) is empty"),
        (("0", 1), "domain end '0' is not a number"),
        ((0, None), "domain end None is not a number"),
        ((0, 1, "absorbing"), "wall 'absorbing' is not one of Wall.NONE, Wall.REFLECTING, Wall.PERIODIC"),
        ((0, math.inf, Wall.NONE, Wall.REFLECTING), "a reflecting wall at inf cannot be reached; give a finite end"),
        ((0, 1, Wall.PERIODIC, Wall.NONE), "periodic at both ends; one end alone was given"),
        ((0, 1, Wall.REFLECTING, Wall.PERIODIC), "periodic at both ends; one end alone was given"),
    ],
)
def test_a_domain_that_cannot_be_is_refused(given, message):
    with pytest.raises(InvalidInput, match=message):
        Interval(*given)
