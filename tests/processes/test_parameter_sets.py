"""Sets of parameters: their order, and what a factory decides beside numbers is seen at the extremes of any of them."""

import numpy as np
import pytest

from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.processes import parameter_sets
from fpsde.processes.multiplicative import cox_ingersoll_ross
from fpsde.processes.parameter_sets import ParameterSets
from fpsde.processes.process import Process


def made(a=(1.0, 2.0), b=3.0, *, decides=None):
    """Return a process of an array and a number, where one value of ``a`` decides what is no number of the kernel."""
    odd = a[1] == 9.0
    return Process(
        drift=lambda x, p: (
            -p.a[0] * x - p.a[1] * x**3 + p.b * p.beta + (np.sin(x) if odd and decides == "formula" else 0)
        ),
        sigma=lambda x: 1.0,
        params={"a": np.array(a), "b": b},
        tables={"beta": np.full(4, 2.0 if odd and decides == "table" else 1.0)},
        domain=Interval(-5.0, 6.0 if odd and decides == "wall" else 5.0, Wall.REFLECTING, Wall.REFLECTING),
        factory=lambda **given: made(**given, decides=decides),
        arguments={"a": a, "b": b},
    )


VALUES = {"a": [[1.0, 2.0], [0.5, 9.0], [2.0, 1.0], [0.0, 4.0]]}


def test_vectors_are_in_the_order_of_the_statement():
    own = made()
    sets = ParameterSets.of(own, {"b": [7.0, 8.0], "a": [[1.0, 2.0], [3.0, 4.0]]})
    np.testing.assert_array_equal(sets.vectors(), [[1.0, 2.0, 7.0], [3.0, 4.0, 8.0]])
    for k in range(2):
        np.testing.assert_array_equal(sets.member(k).parameter_values(), sets.vectors()[k])
    only = ParameterSets.of(own, {"b": [7.0]})
    np.testing.assert_array_equal(only.vectors(), [[1.0, 2.0, 7.0]])


@pytest.mark.parametrize(("decides", "alone"), [(None, True), ("formula", False), ("wall", False), ("table", False)])
def test_what_is_no_number_is_seen_at_the_extreme_of_any_component(decides, alone):
    assert ParameterSets.of(made(decides=decides), VALUES).differ_in_numbers_alone() is alone


def test_a_factory_is_asked_for_every_member_of_few_and_for_the_ends_of_many(monkeypatch):
    """Member 1 is at no end of kappa or theta, and has 2 kappa theta < sigma^2."""
    sets = ParameterSets.of(
        cox_ingersoll_ross().with_params(sigma=1.6), {"kappa": [0.5, 1.0, 4.0], "theta": [4.0, 1.0, 0.5]}
    )
    with pytest.raises(InvalidInput, match=r"member 1 \(kappa=1.0, theta=1.0\): 2 kappa theta = 2 is below sigma\^2"):
        sets.differ_in_numbers_alone()
    monkeypatch.setattr(parameter_sets, "ASKED", 2)
    assert sets.differ_in_numbers_alone()
    ends = ParameterSets.of(cox_ingersoll_ross(), {"sigma": [0.3, 9.0, 0.4]})
    with pytest.raises(InvalidInput, match=r"member 1 \(sigma=9.0\): 2 kappa theta"):
        ends.differ_in_numbers_alone()


def test_a_process_without_params_says_so():
    bare = Process(drift=lambda x: -x, sigma=lambda x: 1.0, name="bare")
    with pytest.raises(InvalidInput, match=r"name k, but bare has no params that could vary; state its numbers as"):
        ParameterSets.of(bare, {"k": [1.0]})
    with pytest.raises(InvalidInput, match="unknown parameter of bare 'k': known are none"):
        bare.with_params(k=1.0)


def test_values_cannot_be_written_to_and_errors_name_their_member():
    sets = ParameterSets.of(made(), {"b": [7.0, 8.0]})
    with pytest.raises(ValueError, match="read-only"):
        sets.values["b"][0] = 1.0
    with pytest.raises(InvalidInput, match=r"member 1 \(b=8.0\): too much"), sets.named(1):
        raise InvalidInput("too much")
