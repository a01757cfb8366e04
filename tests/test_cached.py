"""What an object computes when it is first asked for."""

from __future__ import annotations

import pytest

from fpsde.cached import Kept, cached_property


class Counted:
    computed = 0

    @cached_property
    def value(self) -> int:
        """How often it was computed."""
        self.computed += 1
        return self.computed


def test_a_value_is_computed_once_for_each_object() -> None:
    one, other = Counted(), Counted()
    assert (one.value, one.value, other.computed) == (1, 1, 0)
    del one.value
    assert (one.value, other.value) == (2, 1)
    assert Counted.value.__doc__ == "How often it was computed."


def test_the_last_values_are_kept_and_the_one_asked_for_longest_ago_goes() -> None:
    asked: list[tuple[int, int]] = []

    def product(a: int, b: int) -> int:
        asked.append((a, b))
        return a * b

    kept: Kept[int] = Kept(2)
    assert [kept.get(product, *pair) for pair in ((2, 3), (4, 5), (2, 3), (6, 7), (2, 3))] == [6, 20, 6, 42, 6]
    assert asked == [(2, 3), (4, 5), (6, 7)]
    assert kept.get(product, 4, 5) == 20 and asked[3:] == [(4, 5)]


def test_what_fails_is_not_kept() -> None:
    kept: Kept[float] = Kept(2)
    with pytest.raises(ZeroDivisionError):
        kept.get(lambda a: 1 / a, 0)
    assert kept.get(lambda a: 2.0, 0) == 2.0
