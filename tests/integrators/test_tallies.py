"""Tallies of disjoint ranges of ids: one tree of sums, whatever is added first, and the first explosion of all."""

from __future__ import annotations

import functools
import itertools
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from whole_runs import bits

from fpsde.integrators.tallies import Tally, grown, tree_nodes, tree_total

OFFSETS = st.one_of(st.integers(0, 40), st.integers(2**52, 2**52 + 9))


def values_of(n, seed=1):
    """Return sums whose order of addition shows in their last bits."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) * 10.0 ** rng.integers(-12, 12, size=(n, 1))


def parts_of(n, cuts):
    """Return the ranges between the cuts."""
    ends = [0, *sorted({c % n for c in cuts} - {0}), n]
    return list(itertools.pairwise(ends))


def tally(first, values, counts, exploded, when):
    return Tally(
        nodes=tree_nodes(values, first),
        counts=(counts,),
        exploded=exploded,
        first_exploded=when,
        failed=exploded // 2,
        absorbed=np.array([[exploded, 1]]),
    )


@given(st.integers(1, 70), OFFSETS, st.lists(st.integers(0, 69), max_size=8), st.randoms())
def test_sums_of_any_cut_in_any_order_are_those_of_one_range_wherever_it_begins(n, first, cuts, random):
    values = values_of(n)
    parts = [tree_nodes(values[a:b], first + a) for a, b in parts_of(n, cuts)]
    random.shuffle(parts)
    whole, found = tree_nodes(values, first), functools.reduce(grown, parts, {})
    assert found.keys() == whole.keys()
    assert all(found[node].tobytes() == whole[node].tobytes() for node in whole)


@given(st.integers(1, 70), OFFSETS)
def test_the_total_is_that_of_the_tree_with_zeros_beside_the_range(n, first):
    values = values_of(n)
    low = first // 256 * 256
    padded = np.zeros((512, 2))
    padded[first - low : first - low + n] = values
    while len(padded) > 1:
        padded = padded[0::2] + padded[1::2]
    np.testing.assert_array_equal(tree_total(tree_nodes(values, first)), padded[0])


def test_the_place_of_a_range_shows_in_the_last_bits():
    """The control: were the tree one on places in the range instead of on ids, a cut would change bits."""
    values = values_of(37)
    totals = {tree_total(tree_nodes(values, first)).tobytes() for first in range(8)}
    assert len(totals) > 1
    np.testing.assert_allclose([np.frombuffer(t) for t in totals], [values.sum(axis=0)] * len(totals), rtol=1e-12)


@given(st.permutations(range(5)))
def test_tallies_add_to_the_same_bits_in_any_order(order):
    values, rng = values_of(20), np.random.default_rng(7)
    when = [(9, 3), None, (4, 900), (4, 700), (12, 1100)]
    parts = [
        tally(4 * k, values[4 * k : 4 * k + 4], rng.integers(0, 9, (2, 3)), 0 if when[k] is None else k + 1, when[k])
        for k in range(5)
    ]
    total = functools.reduce(operator.add, [parts[k] for k in order])
    assert total.first_exploded == (4, 700)  # the earliest step, and of equals the lowest id
    assert (total.exploded, total.failed) == (1 + 3 + 4 + 5, 0 + 1 + 2 + 2)
    np.testing.assert_array_equal(total.absorbed, [[13, 5]])
    np.testing.assert_array_equal(total.counts[0], sum(part.counts[0] for part in parts))
    assert tree_total(total.nodes).tobytes() == tree_total(tree_nodes(values, 0)).tobytes()


def test_adding_changes_neither_of_the_two():
    one, two = (tally(k, values_of(3, k), np.ones((1, 2), int), 1, (k, k)) for k in (0, 3))
    before = bits([one, two])
    assert bits(one + two) != before[0]
    assert bits([one, two]) == before


def test_no_explosion_is_none():
    parts = [tally(k, values_of(1), np.zeros((1, 1), int), 0, None) for k in range(3)]
    assert (parts[0] + parts[1] + parts[2]).first_exploded is None


@pytest.mark.parametrize(("n", "first"), [(1, 0), (1, 1), (7, 3)])
def test_a_range_keeps_no_more_than_its_nodes_in_memory(n, first):
    values = values_of(n)
    assert not any(np.shares_memory(node, values) for node in tree_nodes(values, first).values())


@pytest.mark.parametrize("n", [1, 2, 3, 64])
def test_a_range_is_few_nodes(n):
    assert len(tree_nodes(values_of(n), 5)) <= 2 * np.log2(n) + 1
