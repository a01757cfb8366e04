"""What particles add up to: sums by a fixed tree on their ids, counts, and how many exploded, failed or were absorbed.

Tallies of disjoint ranges of ids merge to the same bits in any order and for any cut between blocks of LANES ids: a
sum is never taken but of two siblings of one binary tree, whose leaves are the blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: (level, index): the blocks index * 2**level .. (index + 1) * 2**level - 1
Node = tuple[int, int]


def tree_nodes(leaves: np.ndarray, first: int) -> dict[Node, np.ndarray]:
    """Return the largest whole subtrees of the leaves ``first``, ``first + 1``, ... along the first axis."""
    out: dict[Node, np.ndarray] = {}
    level, index, values = 0, first, leaves
    while len(values):
        if index % 2:
            out[level, index] = values[0].copy()
            index, values = index + 1, values[1:]
        if len(values) % 2:
            out[level, index + len(values) - 1] = values[-1].copy()
            values = values[:-1]
        level, index, values = level + 1, index // 2, values[0::2] + values[1::2]
    return out


def grown(nodes: dict[Node, np.ndarray], more: dict[Node, np.ndarray]) -> dict[Node, np.ndarray]:
    """Return the largest whole subtrees of two sets of them."""
    out = dict(nodes)
    for (level, index), value in more.items():
        while (level, index ^ 1) in out:
            sibling = out.pop((level, index ^ 1))
            value = sibling + value if index % 2 else value + sibling
            level, index = level + 1, index // 2
        out[level, index] = value
    return out


def tree_total(nodes: dict[Node, np.ndarray]) -> np.ndarray:
    """Return the sum of all nodes, as the tree has it where everything else is zero."""
    rest = dict(nodes)
    while len(rest) > 1:
        level = min(level for level, _ in rest)
        for here, index in sorted(node for node in rest if node[0] == level):
            if (here, index) in rest:
                value, sibling = rest.pop((here, index)), rest.pop((here, index ^ 1), None)
                above = (here + 1, index // 2)
                rest[above] = value if sibling is None else value + sibling
    return next(iter(rest.values()))


@dataclass(frozen=True, eq=False)
class Tally:
    """The tally of some ranges of ids."""

    nodes: dict[Node, np.ndarray]  #: of the sums, (slots, POWERS) each
    counts: tuple[np.ndarray, ...]  #: of each look that counts
    exploded: int
    first_exploded: tuple[int, int] | None  #: (step, particle) of the first particle that was not finite
    failed: int
    absorbed: np.ndarray  #: (d, 2): on the low and the high absorbing wall of each component

    def __add__(self, other: Tally) -> Tally:
        first = [e for e in (self.first_exploded, other.first_exploded) if e is not None]
        return Tally(
            nodes=grown(self.nodes, other.nodes),
            counts=tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            exploded=self.exploded + other.exploded,
            first_exploded=min(first, default=None),
            failed=self.failed + other.failed,
            absorbed=self.absorbed + other.absorbed,
        )
