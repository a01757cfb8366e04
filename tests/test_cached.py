"""Attributes that are computed when first asked for."""

from __future__ import annotations

from fpsde.cached import cached_property


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
