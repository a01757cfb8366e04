"""What the loop looks at: rows of the state after some of the steps, as plain numbers that the compiled loop reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fpsde.cached import cached_property
from fpsde.integrators.loop import COPIES, COUNTS, JOINT_COUNTS, POWERS, PRODUCTS, SUMS, TABLES


@dataclass(frozen=True, eq=False)
class Look:
    """One kind of look (see :mod:`fpsde.integrators.loop`) at one row, or at two, after each of ``steps``."""

    kind: int
    row: int
    steps: np.ndarray  #: numbers of steps, increasing, from 1
    other: int = 0
    bins: int = 0
    other_bins: int = 0
    reals: tuple[float, ...] = ()

    @property
    def counts_shape(self) -> tuple[int, ...]:
        """The shape of the counts that all tables together make, once for each time."""
        inside = (self.bins + 3,) if self.kind == COUNTS else (self.bins + 3, self.other_bins + 3)
        return (len(self.steps), *inside)

    @property
    def places(self) -> int:
        """How many integers the loop fills for it."""
        if self.kind not in (COUNTS, JOINT_COUNTS):
            return 0
        return int(np.prod(self.counts_shape)) * (TABLES if self.kind == COUNTS else 1)

    @property
    def sums(self) -> int:
        """How many rows of sums it takes."""
        return len(self.steps) if self.kind in (SUMS, PRODUCTS) else 0

    @property
    def copies(self) -> int:
        """How many rows of copies it takes."""
        return len(self.steps) if self.kind == COPIES else 0


@dataclass(frozen=True, eq=False)
class Looks:
    """All looks of a run, laid out for the loop: sums, counts and copies of one look follow those of the one before."""

    all: tuple[Look, ...]

    @cached_property
    def firsts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where the sums, counts and copies of each look begin; the last entries are the totals."""
        sizes = np.array([(look.sums, look.places, look.copies) for look in self.all], np.int64).reshape(-1, 3)
        ends = np.concatenate([np.zeros((1, 3), np.int64), np.cumsum(sizes, axis=0)])
        return ends[:, 0], ends[:, 1], ends[:, 2]

    @cached_property
    def integers(self) -> np.ndarray:
        """The table ``looks`` of the loop, (K, 6)."""
        sums, counts, copies = self.firsts
        out = np.zeros((len(self.all), 6), np.int64)
        for k, look in enumerate(self.all):
            first = sums if look.kind in (SUMS, PRODUCTS) else copies if look.kind == COPIES else counts
            out[k] = look.kind, look.row, look.other, look.bins, look.other_bins, first[k]
        return out

    @cached_property
    def reals(self) -> np.ndarray:
        """The table ``reals`` of the loop, (K, 4)."""
        out = np.zeros((len(self.all), 4))
        for k, look in enumerate(self.all):
            out[k, : len(look.reals)] = look.reals
        return out

    def due(self, first: int, last: int) -> np.ndarray:
        """Return the table ``due`` of the loop for the steps ``first`` .. ``last``, (last - first, K)."""
        out = np.full((last - first, len(self.all)), -1, np.int64)
        for k, look in enumerate(self.all):
            slots = np.arange(*np.searchsorted(look.steps, (first + 1, last + 1)))
            out[look.steps[slots] - 1 - first, k] = slots
        return out

    def empty_sums(self, blocks: int) -> np.ndarray:
        """Return sums for the loop to fill, (slots, blocks, POWERS)."""
        return np.zeros((self.sum_rows, blocks, POWERS))

    def empty_counts(self, members: int) -> np.ndarray:
        """Return counts for the loop to fill, (members, places)."""
        return np.zeros((members, self.count_places), np.int64)

    def empty_copies(self, n: int, dtype: np.dtype) -> np.ndarray:
        """Return copies for the loop to fill, (slots, n)."""
        return np.empty((self.copy_rows, n), dtype)

    def tables(self, counts: np.ndarray) -> list[np.ndarray]:
        """Return the counts of each look that counts, its tables added up."""
        out = []
        for k, look in enumerate(self.all):
            if look.places:
                own = counts[self.firsts[1][k] : self.firsts[1][k + 1]]
                if look.kind == COUNTS:
                    own = own.reshape(len(look.steps), TABLES, -1).sum(axis=1)
                out.append(own.reshape(look.counts_shape))
        return out

    def rows(self, sums: np.ndarray, copies: np.ndarray) -> list[np.ndarray]:
        """Return for each look its rows of the sums, or of the copies."""
        firsts, _, copied = self.firsts
        return [
            copies[copied[k] : copied[k + 1]] if look.kind == COPIES else sums[firsts[k] : firsts[k + 1]]
            for k, look in enumerate(self.all)
        ]

    @property
    def sum_rows(self) -> int:
        """How many rows of sums are taken."""
        return int(self.firsts[0][-1])

    @property
    def count_places(self) -> int:
        """How many integers the loop fills."""
        return int(self.firsts[1][-1])

    @property
    def count_bytes(self) -> int:
        """Bytes of the counts that a thread fills."""
        return 8 * self.count_places

    @property
    def sum_bytes(self) -> int:
        """Bytes of the sums of one block."""
        return 8 * POWERS * self.sum_rows

    @property
    def copy_rows(self) -> int:
        """How many rows of all particles are copied."""
        return int(self.firsts[2][-1])


def joined(groups: Sequence[Sequence[Look]]) -> Looks:
    """Return the looks of several observers as one."""
    return Looks(tuple(look for group in groups for look in group))
