"""Splittings of underdamped Langevin dynamics, by string: each letter solves one part of the dynamics exactly.

A moves positions at constant velocity, B kicks velocities at constant position, O is the Ornstein-Uhlenbeck process of
friction and noise. "BAOAB" is B for dt/2, A for dt/2, O for dt, A for dt/2, B for dt/2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache, partial
from itertools import groupby
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.schemes.advance import Advance
from fpsde.schemes.equilibrium import rests_at_one_temperature
from fpsde.schemes.inputs import increments_of_parts
from fpsde.schemes.langevin_pieces import Pieces, langevin_pieces
from fpsde.schemes.models import times_dw
from fpsde.schemes.noise_types import NoiseType
from fpsde.schemes.scheme import Orders, Scheme, StationaryOrder
from fpsde.symbolic import components

#: Letters in a string, at most: each is a part of the text of the kernel.
LONGEST = 64


def splitting(letters: str, *, track_work: bool = False) -> Scheme:
    """Return the scheme that applies the parts of underdamped Langevin dynamics in the order of ``letters``.

        dx = v dt,   dv = (B(x, t) - gamma v) dt + sigma dW       (x and v of k components, d = 2k; B = force/mass)

        A:  x' = x + h v                  h = dt/(number of times that the letter occurs)
        B:  v' = v + h B(x, t)
        O:  v' = c v + sqrt((1 - c^2)/(2 gamma h)) sigma dW,   c = exp(-gamma h)

    dW is the increment over the letter's own part of dt, so O is exact in law, and one path can be read at several dt
    (strong order 1). Time passes with A. Friction and noise are those of the statement: every component may have its
    own friction, mass and temperature; a friction that is a parameter must not be zero. A string whose first and last
    letters are B (O aside) keeps its last force for the next step.

    Weak order 2 for a palindrome, else 1. The bias of the stationary law is of order 2 for a palindrome. It is so for
    one with an O more at one end (OBAB is OBABO seen half an O later) where O leaves the law alone, that is with one
    temperature for all; else it is of order 1.

    With ``track_work`` the scalars ``heat`` and ``work`` hold the energy that each particle took up so far in O, and in
    A and B, where observers see them (``Moments(of="work")``); their sum is the change of the process's energy to
    round-off. Where B does not depend on t, ``work`` is the shadow work of the splitting (Sivak, Chodera & Crooks,
    Phys. Rev. X 3 (2013) 011007).

    Raises InvalidInput for a string that is not made of all three of A, B and O; Unsuited, when the scheme meets it,
    for a process that is not of the form above or, with ``track_work``, states no energy.

    Source: Leimkuhler & Matthews, arXiv:1203.5428; Leimkuhler, Matthews & Stoltz, arXiv:1308.5814.
    """
    return _splitting(_word(letters), bool(track_work))


def is_word(name: Any) -> bool:
    """Return whether a name is made of the letters of splittings alone."""
    return isinstance(name, str) and 0 < len(name) <= LONGEST and set(name.upper()) <= set("ABO")


def _word(letters: Any) -> str:
    if not is_word(letters) or len(set(letters.upper())) < 3:
        raise InvalidInput(
            f"{letters!r} is no splitting: give a string of at most {LONGEST} letters with each of A (positions), "
            "B (velocities, by the force) and O (friction and noise) in it, such as 'BAOAB'; where the letters are R "
            "and V, write A for R and B for V"
        )
    return letters.upper()


@lru_cache(maxsize=64)
def _splitting(word: str, track_work: bool) -> Scheme:
    moves = word.replace("O", "")
    keeps = moves[0] == moves[-1] == "B"
    symmetric, nearly = _palindrome(word), any(_palindrome(w) for w in (_less(word, 0), _less(word, -1)))
    at_equilibrium = StationaryOrder(rests_at_one_temperature, order=2.0, elsewhere=1.0)
    at_one_temperature = "; stationary order 2 at one temperature, 1 with several" if nearly and not symmetric else ""
    whole = Scheme(
        name=word.lower() + ("_with_work" if track_work else ""),
        equation=f"{' '.join(_shares(word))}: A: x += h v; B: v += h B(x); O: v = c v + exact noise, c = exp(-gamma h)",
        step=partial(_step, word, 0, len(word), keeps, track_work),
        inputs=(increments_of_parts(word.count("O")),),
        convention="Itô",
        strong=Orders(additive=1.0, commutative=None, general=None),
        weak=Orders(additive=2.0 if symmetric else 1.0, commutative=None, general=None),
        stationary=2.0 if symmetric else at_equilibrium if nearly else 1.0,
        wall_order=None,
        noise=frozenset({NoiseType.ADDITIVE}),
        conditions=(
            "components (x, v) with dx = v dt, dv = (B(x, t) - gamma v) dt + sigma dW, "
            f"gamma and sigma free of x and v; B Lipschitz{at_one_temperature}"
        ),
        evaluations=len([run for run in moves.split("A") if run]) - keeps,
        source="Leimkuhler & Matthews, arXiv:1203.5428; Leimkuhler, Matthews & Stoltz, arXiv:1308.5814",
        auxiliary=("force",) if keeps else (),
        scalars=("heat", "work") if track_work else (),
        internal=("force",) if keeps else (),
        start=_first_force if keeps else None,
    )
    return whole if track_work else replace(whole, parts=_parts(whole, word))


def _parts(whole: Scheme, word: str) -> tuple[Scheme, ...]:
    """Return the step of each letter, for its share of dt: an A moves x alone, a B or an O v alone."""
    noise = (increments_of_parts(1, of=word.count("O")),)
    free: dict[str, Any] = {"auxiliary": (), "internal": (), "start": None}
    return tuple(
        replace(
            whole,
            name=f"{letter} of {word.lower()}",
            step=partial(_step, word, i, i + 1, False, False),
            inputs=noise if letter == "O" else (),
            **free,
        )
        for i, letter in enumerate(word)
    )


def _palindrome(word: str) -> bool:
    return word == word[::-1]


def _less(word: str, end: int) -> str:
    """Return the word without an O at one end, where there is one."""
    return word if word[end] != "O" else word[1:] if end == 0 else word[:-1]


def _shares(word: str) -> list[str]:
    """Return each letter with its share of dt: B(1/2) A(1/2) O A(1/2) B(1/2)."""
    counts = Counter(word)
    return [letter + (f"(1/{counts[letter]})" if counts[letter] > 1 else "") for letter in word]


def _step(
    word: str,
    start: int,
    stop: int,
    keeps: bool,
    track_work: bool,
    model: Any,
    x: Any,
    t: Any,
    dt: Any,
    noise: Any,
    aux: Any = None,
) -> Any:
    """Apply the letters ``start`` to ``stop`` of a word, each for its share of dt in the whole word."""
    counts = Counter(word)
    pieces = langevin_pieces(model.process)
    k = len(pieces.force)
    q, v = x[:k], x[k:]
    force: Any = aux["force"][:k] if keeps else None
    gone, drawn = Fraction(word[:start].count("A"), counts["A"]), 0
    took = {"heat": 0.0, "work": 0.0}
    energy = model.energy(x, t) if track_work else None
    for bath, part in groupby(word[start:stop], key="O".__eq__):
        for letter in part:
            now, h = t + float(gone) * dt, dt / counts[letter]
            if letter == "A":
                q, force = model.staged(q + h * v), None
                gone += Fraction(1, counts["A"])
            elif letter == "B":
                force = model.at("force", pieces.force, q, now) if force is None else force
                v = model.staged(v + h * force)
            else:
                dw = [increments[drawn] for increments in noise.dw_parts]
                v = model.staged(_ornstein_uhlenbeck(model, pieces, v, now, h, dw))
                drawn += 1
        if track_work:
            before, energy = energy, model.energy(components([*q, *v]), t + float(gone) * dt)
            kind = "heat" if bath else "work"
            took[kind] = took[kind] + model.staged([energy - before])[0]
    kept = {"force": components([*force, *np.zeros(k)])} if keeps else {}
    sums = {name: aux[name] + more for name, more in took.items()} if track_work else {}
    return Advance(components([*q, *v]), aux={**kept, **sums})


def _ornstein_uhlenbeck(model: Any, pieces: Pieces, v: Any, t: Any, h: Any, dw: Any) -> Any:
    """Return v after dv = -gamma v dt + sigma dW for a time h, of which dw are the increments."""
    gamma = model.at("friction", pieces.friction, (), t)
    sigma = model.at("sigma of v", tuple(pieces.sigma), (), t).reshape(pieces.sigma.shape)
    out = []
    for v_i, kick, gamma_i, stated in zip(v, times_dw(sigma, dw), gamma, pieces.friction, strict=True):
        if stated == 0:
            out.append(v_i + kick)
        else:
            twice = 2.0 * gamma_i * h
            out.append(np.exp(-gamma_i * h) * v_i + np.sqrt(-np.expm1(-twice) / twice) * kick)
    return components(out)


def _first_force(model: Any, x: Any, t: Any) -> Mapping[str, Any]:
    force = langevin_pieces(model.process).force
    k = len(force)
    return {"force": components([*model.at("force", force, x[:k], t), *np.zeros(k)])}


baoab, aboba, obabo, obab, oabao = (splitting(word) for word in ("BAOAB", "ABOBA", "OBABO", "OBAB", "OABAO"))

#: The leap-frog form of the middle scheme: B for dt, A for dt/2, O, A for dt/2. Its velocities are those of half a step
#: before its positions, so each has its exact variance on a harmonic well, and <x v> = dt kT/(2 m) comes from the lag.
lf_middle = replace(
    splitting("BAOA"),
    name="lf_middle",
    conditions=(
        "as of every splitting; v is the velocity of half a step before x (OpenMM's LangevinMiddle), so laws of x and "
        "of v are of second order, and those of both together of first"
    ),
    source="Zhang, Liu, Yan, Tuckerman & Liu, J. Phys. Chem. A 123 (2019) 6056",
)
