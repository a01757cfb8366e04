"""Binomial diffusion of bits, with everything enumerated: chain, marginals, posterior, and the bound.

    q(x_t = 1 | x_{t-1}) = x_{t-1} (1 - beta_t) + beta_t/2,    q(x_t = 1 | x_0) = 1/2 + (x_0 - 1/2) kept_t

for each bit, with kept_t = prod_{s <= t} (1 - beta_s). Bits are 0 or 1, component first: (n_bits, n).
Source: Sohl-Dickstein et al., ICML (2015), table App.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from fpsde.arrays import placed
from fpsde.cached import cached_property
from fpsde.errors import InvalidInput
from fpsde.known_law import picked, refuse_weights
from fpsde.noise import Purpose, uniforms
from fpsde.processes.beta_schedules import refuse_no_betas
from fpsde.validation import finite_array, integer, seed64

#: Bits beyond which the 2^n words are not enumerated.
MOST_BITS = 14


@dataclass(frozen=True, eq=False)
class Words:
    """The law of words of bits: ``patterns`` (K, n_bits) of 0 and 1, each with its weight, ``weights`` (K,).

    Raises InvalidInput for other numbers, more than 14 bits, and weights that are not positive or do not sum to 1.
    """

    patterns: np.ndarray
    weights: np.ndarray

    def __post_init__(self) -> None:
        patterns, weights = (
            finite_array("patterns", self.patterns, ndim=2),
            finite_array("weights", self.weights, ndim=1),
        )
        if np.any((patterns != 0) & (patterns != 1)) or not patterns.shape[1] <= MOST_BITS:
            raise InvalidInput(f"patterns of shape {patterns.shape}; give at most {MOST_BITS} bits, each 0 or 1")
        if len(weights) != len(patterns):
            raise InvalidInput(f"{len(weights)} weights for {len(patterns)} patterns; give one for each")
        refuse_weights(weights)
        object.__setattr__(self, "patterns", patterns.astype(int))
        object.__setattr__(self, "weights", weights)

    @property
    def n_bits(self) -> int:
        """The number of bits."""
        return self.patterns.shape[1]

    @cached_property
    def masses(self) -> np.ndarray:
        """The probability of each of the 2^n words, ``(2,) * n_bits``, indexed by its bits."""
        out = np.zeros((2,) * self.n_bits)
        np.add.at(out, tuple(self.patterns.T), self.weights)
        return out

    @property
    def entropy(self) -> float:
        """The entropy, in nats."""
        return float(special.entr(self.masses).sum())

    def sample(self, n: int, *, seed: int, first: int = 0) -> np.ndarray:
        """Return the words (n_bits, n) with ids from ``first`` on, drawn by counter."""
        ids = np.arange(first, first + integer("n", n, least=1), dtype=np.uint64)
        u = uniforms(seed64(seed), Purpose.INITIAL, particles=ids, count=1)[0]
        return self.patterns[picked(self.weights, u)].T


def heartbeat(n_bits: int = 10, period: int = 5) -> Words:
    """Return words with a 1 in every ``period``-th place, at each of its phases with the same probability.

    Source: Sohl-Dickstein et al. (2015), section 3.1.2.
    """
    bits, each = integer("n_bits", n_bits, least=1), integer("period", period, least=1)
    if each > bits:
        raise InvalidInput(f"period={each} is longer than the word of {bits} bits")
    phases = np.arange(each)[:, None]
    return Words(((np.arange(bits) - phases) % each == 0).astype(float), np.full(each, 1 / each))


@dataclass(frozen=True, eq=False)
class BinomialChain:
    """The chain of ``betas`` (T,), each in (0, 1]; the last may be 1, after which nothing of the word is left."""

    betas: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "betas", refuse_no_betas(self.betas, last_may_be_1=True))

    @property
    def n_steps(self) -> int:
        """T."""
        return len(self.betas)

    @cached_property
    def kept(self) -> np.ndarray:
        """prod_{s <= t} (1 - beta_s) at t = 0, ..., T, (T + 1,)."""
        return np.concatenate([[1.0], np.cumprod(1 - self.betas)])

    def step(self, x: Any, t: int, u: Any) -> Any:
        """Return x_t from x_{t-1} and uniform numbers in (0, 1), both (n_bits, n) and both on the host or a device."""
        return (placed(u) < _raised(placed(x), float(1 - self.betas[self._index(t) - 1]))).astype(int)

    def marginal(self, words: Words, t: int) -> np.ndarray:
        """Return the probability of each word at time t, ``(2,) * n_bits``."""
        return through(words.masses, float(self.kept[self._index(t, least=0)]))

    def posterior(self, x: Any, x0: Any, t: int) -> Any:
        """Return q(x_{t-1} = 1 | x_t = x, x_0) of each bit, by Bayes: ``x0`` may be a probability of 1, bit by bit.

        For a probability it is the mean of the posteriors of its two values.
        """
        n = self._index(t)
        x, beta, before = placed(x), float(self.betas[n - 1]), float(self.kept[n - 1])

        def given(bit: float) -> np.ndarray:
            one = _raised(bit, before)
            raised = [_raised(b, 1 - beta) for b in (1.0, 0.0)]
            by_one, by_zero = (np.where(x == 1, up, 1 - up) for up in raised)
            return one * by_one / (one * by_one + (1 - one) * by_zero)

        share = placed(x0)
        return share * given(1.0) + (1 - share) * given(0.0)

    def bound(self, words: Words) -> float:
        """Return the bound on E[-log p(x0)], in nats, of the best reverse steps that are independent bit by bit.

        Each step takes p(x_{t-1, i} = 1 | x_t) = q(x_{t-1, i} = 1 | x_t), and p(x_T) is uniform. The bound is
        sum_t sum_i H(x_{t-1, i} | x_t) + n_bits log 2 - sum_t H(x_t | x_{t-1}), with exact entropies.
        """
        n, total = words.n_bits, words.n_bits * np.log(2.0)
        for t in range(1, self.n_steps + 1):
            before, after = self.marginal(words, t - 1), self.marginal(words, t)
            flip = 1 - _raised(1.0, float(1 - self.betas[t - 1]))
            total -= n * float(special.entr(flip) + special.entr(1 - flip))
            for i in range(n):
                # joint masses of bit i before and of all bits after: the other bits go through, bit i is kept
                sides = [np.zeros_like(before), np.zeros_like(before)]
                for bit in (0, 1):
                    at = tuple(bit if k == i else slice(None) for k in range(n))
                    sides[bit][at] = before[at]
                joint = [through(side, 1 - float(self.betas[t - 1])) for side in sides]
                total += float(sum(special.entr(part).sum() for part in joint) - special.entr(after).sum())
        return total

    def _index(self, t: int, *, least: int = 1) -> int:
        n = integer("t", t, least=least)
        if n > self.n_steps:
            raise InvalidInput(f"t={n} is beyond the chain of {self.n_steps} steps")
        return n


def through(masses: np.ndarray, kept: float) -> np.ndarray:
    """Return what becomes of masses of words when each bit is kept with weight ``kept`` and else thrown anew."""
    out = masses
    for axis in range(masses.ndim):
        out = kept * out + (1 - kept) / 2 * out.sum(axis=axis, keepdims=True)
    return out


def _raised(x: Any, kept: float) -> Any:
    """Return the probability of 1 after a bit (or a probability of 1) is kept with weight ``kept``."""
    return 0.5 + (x - 0.5) * kept
