"""SRA1, SRA3 and SRIW1: the tableaus obey their order conditions exactly, and the steps are the formulas."""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction

import numpy as np
import pytest
from bare_steps import both_steps
from plain_twins import ADDITIVE, DIAGONAL, SCALAR

from fpsde.schemes import sra1, sra3, sriw1
from fpsde.schemes.tableau import SRA1, SRA3, SRIW1

T, DT = 0.2, 0.1
HALF, THIRD = Fraction(1, 2), Fraction(1, 3)


def dot(a, b):
    return sum((v * w for v, w in zip(a, b, strict=True)), Fraction(0))


def rows(matrix, v=None):
    """Return M v, or M e with e = (1, ..., 1)."""
    return [dot(row, [1] * len(row) if v is None else v) for row in matrix]


def square(v):
    return [w * w for w in v]


def drift_conditions(t):
    e = [1] * len(t.alpha)
    return {
        "alpha e": (dot(t.alpha, e), 1),
        "alpha A0 e": (dot(t.alpha, rows(t.A0)), HALF),
        "alpha B0 e": (dot(t.alpha, rows(t.B0)), 1),
        "alpha (B0 e)^2": (dot(t.alpha, square(rows(t.B0))), 3 * HALF),
        "c0 = A0 e": (tuple(rows(t.A0)), t.c0),
    }


def additive_conditions(t):
    """Rößler (2010): strong order 1.5 for additive noise."""
    beta1, beta2 = t.beta
    e = [1] * len(beta1)
    return drift_conditions(t) | {
        "beta1 e": (dot(beta1, e), 1),
        "beta2 e": (dot(beta2, e), 0),
        "beta1 c1": (dot(beta1, t.c1), 1),
        "beta2 c1": (dot(beta2, t.c1), -1),
    }


def diagonal_conditions(t):
    """Rößler (2010): strong order 1.5 for diagonal noise, in sum form; 25 conditions and the nodes."""
    e = [1] * len(t.alpha)
    A1e, B1e = rows(t.A1), rows(t.B1)
    wanted = {  # the values of beta_1 v, ..., beta_4 v
        "e": (e, (1, 0, 0, 0)),
        "A1 e": (A1e, (1, 0, -1, 0)),
        "B1 e": (B1e, (0, 1, 0, 0)),
        "(B1 e)^2": (square(B1e), (1, 0, -1, 2)),
        "B1 B1 e": (rows(t.B1, B1e), (0, 0, 0, 1)),
    }
    out = drift_conditions(t) | {"c1 = A1 e": (tuple(A1e), t.c1)}
    for name, (v, values) in wanted.items():
        out |= {f"beta{k} {name}": (dot(t.beta[k - 1], v), values[k - 1]) for k in (1, 2, 3, 4)}
    mixed = rows(t.A1, rows(t.B0))
    out["beta1 A1 B0 e / 2 + beta3 A1 B0 e / 3"] = (HALF * dot(t.beta[0], mixed) + THIRD * dot(t.beta[2], mixed), 0)
    return out


TABLEAUS = {
    "SRA1": (SRA1, additive_conditions, 9),
    "SRA3": (SRA3, additive_conditions, 9),
    "SRIW1": (SRIW1, diagonal_conditions, 27),
}


def broken(tableau, conditions):
    return [name for name, (found, wanted) in conditions(tableau).items() if found != wanted]


@pytest.mark.parametrize("name", TABLEAUS)
def test_the_tableau_obeys_its_order_conditions_exactly(name):
    tableau, conditions, n = TABLEAUS[name]
    assert len(conditions(tableau)) == n
    assert broken(tableau, conditions) == []


def changed(value):
    """Yield copies of a nested tuple of fractions with one entry that is not zero off by 1/12."""
    for i, part in enumerate(value):
        others = list(changed(part)) if isinstance(part, tuple) else [part + Fraction(1, 12)] if part else []
        yield from ((*value[:i], other, *value[i + 1 :]) for other in others)


@pytest.mark.parametrize("name", TABLEAUS)
def test_no_coefficient_can_be_wrong(name):
    tableau, conditions, _ = TABLEAUS[name]
    wrong = [replace(tableau, **{f.name: v}) for f in fields(tableau) for v in changed(getattr(tableau, f.name))]
    assert len(wrong) >= 9
    assert all(broken(one, conditions) for one in wrong)


def test_sra3_is_of_order_3_without_noise_and_sra1_is_not():
    def third(t):
        return dot(t.alpha, square(t.c0)), dot(t.alpha, rows(t.A0, rows(t.A0)))

    assert third(SRA3) == (THIRD, Fraction(1, 6)) and third(SRA1) != (THIRD, Fraction(1, 6))


# --- the steps, written out with the numbers of the paper


def integrals(z):
    """Return dW and I(1,0) (m, n) of the normals (2 m, n)."""
    return np.sqrt(DT) * z[0::2], 0.5 * DT**1.5 * (z[0::2] + z[1::2] / np.sqrt(3))


def times(b, w):
    return np.einsum("ijn,jn->in", b, w)


def sra1_by_hand(twin, x, z):
    dw, i10 = integrals(z)
    b0, b1 = twin.b(x, T), twin.b(x, T + DT)
    a0 = twin.a(x, T)
    a1 = twin.a(x + 0.75 * a0 * DT + 1.5 * times(b1, i10) / DT, T + 0.75 * DT)
    return x + (a0 + 2 * a1) * DT / 3 + times(b1, dw) + times(b0 - b1, i10) / DT


def sra3_by_hand(twin, x, z):
    dw, i10 = integrals(z)
    b0, b1 = twin.b(x, T), twin.b(x, T + DT)
    a0 = twin.a(x, T)
    a1 = twin.a(x + a0 * DT, T + DT)
    a2 = twin.a(x + (a0 + a1) * DT / 4 + times(b1 + 0.5 * b0, i10) / DT, T + 0.5 * DT)
    return x + (a0 + a1 + 4 * a2) * DT / 6 + times(b1, dw) + times(b0 - b1, i10) / DT


def sriw1_by_hand(twin, x, z):
    dw, i10 = integrals(z)
    root = np.sqrt(DT)
    ones = np.full_like(dw, root)
    i11, i111 = (dw**2 - DT) / 2, (dw**3 - 3 * DT * dw) / 6
    a0, b0 = twin.a(x, T), twin.b(x, T)
    a1 = twin.a(x + 0.75 * a0 * DT + 1.5 * times(b0, i10) / DT, T + 0.75 * DT)
    b1 = twin.b(x + 0.25 * a0 * DT + 0.5 * times(b0, ones), T + 0.25 * DT)
    b2 = twin.b(x + a0 * DT - times(b0, ones), T + DT)
    # the drift of the third stage is that at x: its row of A0 and B0 is zero
    b3 = twin.b(x + 0.25 * twin.a(x, T) * DT + times(-5 * b0 + 3 * b1 + 0.5 * b2, ones), T + 0.25 * DT)
    out = x + (a0 + 2 * a1) * DT / 3
    out = out + times(b0, -dw - i11 / root + 2 * i10 / DT - 2 * i111 / DT)
    out = out + times(b1, 4 / 3 * dw + 4 / 3 * i11 / root - 4 / 3 * i10 / DT + 5 / 3 * i111 / DT)
    out = out + times(b2, 2 / 3 * dw - 1 / 3 * i11 / root - 2 / 3 * i10 / DT - 2 / 3 * i111 / DT)
    return out + times(b3, i111 / DT)


@pytest.mark.parametrize(
    ("scheme", "formula", "twin"),
    [
        (sra1, sra1_by_hand, ADDITIVE),
        (sra3, sra3_by_hand, ADDITIVE),
        (sriw1, sriw1_by_hand, DIAGONAL),
        (sriw1, sriw1_by_hand, SCALAR),
    ],
    ids=["sra1", "sra3", "sriw1, diagonal", "sriw1, scalar"],
)
def test_the_step_is_the_formula(scheme, formula, twin, seed):
    x, z, compiled, arrays = both_steps(scheme, twin.process, seed, t=T, dt=DT)
    exact = formula(twin, x, z)
    np.testing.assert_allclose(compiled, exact, rtol=2e-14, atol=2e-14)
    np.testing.assert_allclose(arrays, exact, rtol=2e-14, atol=2e-14)
