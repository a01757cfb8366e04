"""Binomial diffusion: the chain step by step, its marginals, Bayes's posterior and the bound, all by enumeration."""

import itertools

import numpy as np
import pytest

import fpsde
from fpsde import checks
from fpsde.ddpm import BinomialChain, Words, heartbeat
from fpsde.errors import InvalidInput
from fpsde.processes.schedule_formulas import reciprocal_betas

CHAIN = BinomialChain(np.array([0.1, 0.3, 0.05, 0.6]))
LAW = Words(np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1]]), np.array([0.5, 0.2, 0.3]))
WORDS = list(itertools.product((0, 1), repeat=3))


def transition(beta):
    """The probabilities of all words, (8, 8), by the formula of the paper for every bit, from column to row."""
    one = [beta / 2, 1 - beta + beta / 2]  # q(1 | 0), q(1 | 1)
    return np.array(
        [[np.prod([one[b] if a else 1 - one[b] for a, b in zip(y, x, strict=True)]) for x in WORDS] for y in WORDS]
    )


def chained(t):
    """The law at t by t transitions of whole words."""
    p = LAW.masses.ravel()
    for beta in CHAIN.betas[:t]:
        p = transition(beta) @ p
    return p


def test_marginals_are_those_of_the_chain() -> None:
    for t in range(5):
        np.testing.assert_allclose(CHAIN.marginal(LAW, t).ravel(), chained(t), atol=1e-15)
    off = BinomialChain(np.array([0.1, 0.3, 0.05, 0.61]))
    assert np.abs(off.marginal(LAW, 4).ravel() - chained(4)).max() > 1e-4


def test_nothing_is_left_at_the_end_of_the_schedule_of_2015() -> None:
    chain = BinomialChain(reciprocal_betas(20))
    np.testing.assert_allclose(chain.kept, 1 - np.arange(21) / 20, atol=1e-15)
    np.testing.assert_allclose(chain.marginal(LAW, 20), 1 / 8, atol=1e-15)
    np.testing.assert_allclose(chain.kept, fpsde.reciprocal_schedule(20).alpha_bars, atol=1e-14)


def test_the_posterior_is_bayes_rule_on_whole_words() -> None:
    """q(x_{t-1} | x_t, x_0) of words factors into bits: both sides by their formulas."""
    for t in (1, 2, 4):
        start = np.zeros(8)
        start[WORDS.index((1, 0, 1))] = 1.0
        before = start
        for beta in CHAIN.betas[: t - 1]:
            before = transition(beta) @ before
        for y in WORDS:
            joint = transition(CHAIN.betas[t - 1])[WORDS.index(y)] * before
            ones = np.array([sum(p for w, p in zip(WORDS, joint, strict=True) if w[i]) for i in range(3)]) / joint.sum()
            np.testing.assert_allclose(CHAIN.posterior(np.array(y), np.array([1, 0, 1]), t), ones, atol=1e-14)


def test_the_bound_is_that_of_the_definition() -> None:
    """E log q(x_1..T | x_0) - log p(x_0..T) by sums over pairs of whole words."""
    total = 3 * np.log(2)
    for t in range(1, 5):
        Q, before = transition(CHAIN.betas[t - 1]), chained(t - 1)
        joint = Q * before  # (after, before)
        total += np.sum(joint * np.log(Q))
        given = joint / joint.sum(axis=1, keepdims=True)
        for i in range(3):
            ones = given @ np.array([w[i] for w in WORDS], dtype=float)
            for k, w in enumerate(WORDS):
                total -= np.sum(joint[:, k] * np.log(ones if w[i] else 1 - ones))
    assert CHAIN.bound(LAW) == pytest.approx(total, rel=1e-12)
    assert CHAIN.bound(LAW) > LAW.entropy


def test_more_steps_make_the_bound_of_the_heartbeat_tighter() -> None:
    """The entropy is log 5, of five phases; steps that are independent bit by bit reach it in the limit of many."""
    law = heartbeat(6, period=5)
    assert law.entropy == pytest.approx(np.log(5), rel=1e-14)
    few, many = (BinomialChain(reciprocal_betas(n)).bound(law) for n in (10, 80))
    assert np.log(5) < many < few < 6 * np.log(2)


def test_particles_of_the_chain_have_its_marginals(seed) -> None:
    n, rng = 20_000, np.random.default_rng(seed)
    x = LAW.sample(n, seed=seed)
    for t in range(1, 5):
        x = CHAIN.step(x, t, rng.uniform(size=x.shape))
        counts = np.bincount(np.ravel_multi_index(tuple(x), (2, 2, 2)), minlength=8)
        assert checks.cells(counts, CHAIN.marginal(LAW, t).ravel(), alpha=1e-8 / 4).verdict is checks.Verdict.PASS
    assert checks.cells(counts, CHAIN.marginal(LAW, 2).ravel(), alpha=1e-8).verdict is checks.Verdict.FAIL


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Words(np.array([[0, 2]]), np.ones(1)), r"each 0 or 1"),
        (lambda: Words(np.zeros((1, 15)), np.ones(1)), r"at most 14 bits"),
        (lambda: Words(np.zeros((2, 3)), np.ones(1)), r"1 weights for 2 patterns"),
        (lambda: Words(np.zeros((1, 3)), np.array([0.9])), r"must be positive and sum to 1"),
        (lambda: BinomialChain(np.array([0.1, 1.2])), r"betas\[1\]=1.2"),
        (lambda: CHAIN.marginal(LAW, 5), r"t=5 is beyond the chain of 4 steps"),
        (lambda: CHAIN.step(np.zeros((3, 1)), 0, np.zeros((3, 1))), r"t=0 must be at least 1"),
        (lambda: heartbeat(4, period=5), r"period=5 is longer than the word of 4 bits"),
    ],
)
def test_bad_words_are_refused(make, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()
