"""Sets of parameters: their order, and what a factory decides beside numbers is seen at the extremes of any of them."""

import dataclasses

import numpy as np
import pytest

import fpsde
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.processes import CATALOGUE, parameter_sets
from fpsde.processes.allowed import Allowed, Condition
from fpsde.processes.multiplicative import cox_ingersoll_ross
from fpsde.processes.parameter_sets import ParameterSets
from fpsde.processes.process import Process
from fpsde.validation import FRACTION, POSITIVE, REAL, Range


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
    """Also where it is stated what they may be."""
    for allowed in (None, Allowed(a=REAL)):
        process = dataclasses.replace(made(decides=decides), allowed=allowed)
        assert ParameterSets.of(process, VALUES).differ_in_numbers_alone() is alone


def test_a_factory_is_asked_for_every_member_of_few_and_for_the_ends_of_many(monkeypatch):
    """Where it is not stated what they may be. Member 1 is at no end, and has 2 kappa theta < sigma^2."""
    silent = dataclasses.replace(cox_ingersoll_ross().with_params(sigma=1.6), allowed=None)
    sets = ParameterSets.of(silent, {"kappa": [0.5, 1.0, 4.0], "theta": [4.0, 1.0, 0.5]})
    with pytest.raises(InvalidInput, match=r"member 1 \(kappa=1.0, theta=1.0\): 2 kappa theta = 2 is below sigma\^2"):
        sets.differ_in_numbers_alone()
    monkeypatch.setattr(parameter_sets, "ASKED", 2)
    assert sets.differ_in_numbers_alone()
    ends = ParameterSets.of(silent, {"sigma": [0.3, 9.0, 0.4]})
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


# --- what the parameters may be


def test_one_member_of_thousands_that_is_forbidden_is_named_and_no_factory_is_asked(monkeypatch):
    """Member 1234 is at no end of kappa or theta."""
    cir, members = cox_ingersoll_ross(sigma=1.6), np.linspace(0.5, 4.0, 4096)
    kappa, theta = members.copy(), 4.0 / members
    monkeypatch.setattr(Process, "with_params", None)
    assert len(ParameterSets.of(cir, {"kappa": kappa, "theta": theta})) == 4096
    theta[1234] = 0.9 * 1.28 / kappa[1234]
    said = rf"member 1234 \(kappa={kappa[1234]}, theta={theta[1234]}\): 2 kappa theta = 2.304 is below sigma\^2 = 2.56"
    with pytest.raises(InvalidInput, match=said):
        ParameterSets.of(cir, {"kappa": kappa, "theta": theta})
    theta[1234], kappa[77] = 4.0 / kappa[1234], 0.0
    with pytest.raises(InvalidInput, match=r"member 77 \(kappa=0.0, theta=.*\): kappa=0.0 must be positive"):
        ParameterSets.of(cir, {"kappa": kappa, "theta": theta})


def test_a_batch_with_a_forbidden_member_does_not_run():
    given = dict(x0=0.0, t_end=0.1, dt=0.1, n_particles=1, seed=1)
    temperatures = np.linspace(0.1, 1.0, 4096)
    temperatures[4000] = -0.5
    with pytest.raises(InvalidInput, match=r"member 4000 \(temperature=-0.5\): temperature=-0.5 must be positive"):
        fpsde.simulate_batch(fpsde.double_well(), fpsde.euler_maruyama, params={"temperature": temperatures}, **given)
    fp = fpsde.FokkerPlanck(fpsde.double_well(), fpsde.Grid.uniform((-2, 2), cells=20))
    with pytest.raises(InvalidInput, match="member 4000"):
        fp.evolve_batch(0.0, {"temperature": temperatures}, t_end=0.1)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_process_of_the_catalogue_states_what_its_parameters_may_be(name):
    process = CATALOGUE[name]()
    assert set(process.allowed.ranges if process.allowed else ()) == set(process.params)


#: Numbers at and beside the ends of every range, alone and against each other.
CANDIDATES = (-2.0, -1.0, -0.3, 0.0, 0.02, 0.3, 0.999, 1.0, 2.5)


def refused(call):
    """Return what InvalidInput says of a call, without the member that it is of; None where it is none."""
    try:
        call()
    except InvalidInput as error:
        return str(error).split("): ")[-1]
    return None


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, one in CATALOGUE.items() if one().params])
def test_a_batch_and_the_factory_refuse_the_same_values_in_the_same_words(name, seed):
    """And every value that they allow gives a process of the same drift, noise, walls and tables."""
    process, rng = CATALOGUE[name](), np.random.default_rng(seed)
    at_random = [{key: rng.choice(CANDIDATES, np.shape(v)) for key, v in process.params.items()} for _ in range(12)]
    seen = set()
    for changes in ({}, *({key: np.full(np.shape(v), -2.0)} for key, v in process.params.items()), *at_random):
        values = {key: v if np.ndim(v) else float(v) for key, v in {**process.params, **changes}.items()}
        words = refused(lambda v=values: process.with_params(**v))
        assert words == refused(lambda v=values: ParameterSets.of(process, {k: np.stack([x]) for k, x in v.items()}))
        seen.add(words is None)
        if words is None:
            own, other = process.statement, process.with_params(**values)
            assert (other.statement.drift, other.statement.sigma) == (own.drift, own.sigma)
            assert (other.intervals, other.tables.keys()) == (process.intervals, process.tables.keys())
    assert seen == {True, False} or all(one is REAL for one in process.allowed.ranges.values())


def test_a_process_of_ones_own_states_it_and_keeps_to_it():
    def own(**params):
        below = Condition(lambda p: p.a < p.b, lambda p: f"a={p.a} must be below b={p.b}")
        return Process(
            drift=lambda x, p: -p.a * x,
            sigma=lambda x, p: p.b,
            params=params,
            allowed=Allowed(below, a=REAL, b=FRACTION),
        )

    process = own(a=0.1, b=0.5)
    for changes, words in (
        ({"b": 1.0}, r"b=1.0 must lie strictly between 0 and 1"),
        ({"a": 0.7}, "a=0.7 must be below"),
    ):
        with pytest.raises(InvalidInput, match=words):
            process.with_params(**changes)
        with pytest.raises(InvalidInput, match=f"member 1 .*{words}"):
            ParameterSets.of(process, {k: [process.params[k], v] for k, v in changes.items()})
    with pytest.raises(InvalidInput, match=r"a=0.5 must be below b=0.5"):
        own(a=0.5, b=0.5)
    with pytest.raises(InvalidInput, match="unknown parameter of process 'theta'"):
        Process(drift=lambda x: -x, sigma=lambda x: 1.0, params={"k": 1.0}, allowed=Allowed(theta=POSITIVE))
    with pytest.raises(InvalidInput, match=r"give fpsde\.Allowed\(theta=fpsde\.POSITIVE"):
        Process(drift=lambda x: -x, sigma=lambda x: 1.0, params={"k": 1.0}, allowed={"k": POSITIVE})
    for wrong in (lambda: Allowed(POSITIVE), lambda: Allowed(k=lambda v: v > 0), lambda: Allowed(k=Range("v > 0", ""))):
        with pytest.raises(InvalidInput, match="Allowed takes Conditions and"):
            wrong()


def test_each_entry_of_an_array_is_in_its_range():
    process = Process(
        drift=lambda x, p: -p.a[0] * x - p.a[1] * x**3, sigma=lambda x: 1.0, params={"a": np.array([1.0, 2.0])},
        allowed=Allowed(a=Range(lambda v: v >= 0, "must not be negative")),
    )  # fmt: skip
    assert len(ParameterSets.of(process, {"a": [[0.0, 1.0], [2.0, 0.0]]})) == 2
    with pytest.raises(InvalidInput, match=r"member 1 .*: a=-1e-09 must not be negative"):
        ParameterSets.of(process, {"a": [[0.0, 1.0], [2.0, -1e-9]]})


@pytest.mark.parametrize(
    "allowed",
    [
        Allowed(k=Range(lambda v: 0 < v < 1, "must lie between 0 and 1")),
        Allowed(Condition(lambda p: p.k < 1 and p.k > 0, lambda p: "no")),
    ],
)
def test_what_cannot_be_asked_of_all_members_at_once_is_refused_with_what_to_write(allowed):
    process = Process(drift=lambda x, p: -p.k * x, sigma=lambda x: 1.0, params={"k": 0.5}, allowed=allowed)
    with pytest.raises(InvalidInput, match=r"test_parameter_sets\.py:\d+: The truth value .*& in place of and"):
        ParameterSets.of(process, {"k": [0.2, 0.4]})
