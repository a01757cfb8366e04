"""SymPy functions of our own: those that SymPy lacks, or differentiates or evaluates in a form that no kernel has."""

from __future__ import annotations

import re
from typing import Any

import sympy as sp

#: What the symbols of parameters and of tables begin with: p_mu, or for an array p0_mu, p1_mu, ...
PARAMETER, TABLE = "p", "table"


class expm1(sp.Function):  # noqa: N801  (SymPy functions bear their mathematical name)
    """exp(x) - 1 without cancellation near 0."""

    nargs = 1
    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.exp(self.args[0])

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return (sp.exp(self.args[0]) - 1)._eval_evalf(prec)


class log1p(sp.Function):  # noqa: N801
    """log(1 + x) without cancellation near 0."""

    nargs = 1
    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return 1 / (1 + self.args[0])

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return sp.log(1 + self.args[0])._eval_evalf(prec)


class logsumexp(sp.Function):  # noqa: N801
    """log(sum_i exp(a_i)), kept whole so that it is printed without overflow."""

    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return softmax(sp.Integer(argindex - 1), *self.args)

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return sp.log(sum(sp.exp(a) for a in self.args))._eval_evalf(prec)


class softmax(sp.Function):  # noqa: N801
    """exp(a_i) / sum_j exp(a_j) for i = args[0]: the derivative of logsumexp, printed with the same exponentials."""

    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        i, j = int(self.args[0]), argindex - 2
        return self * (int(i == j) - softmax(sp.Integer(j), *self.args[1:]))

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return sum((self.fdiff(k + 1) * a.diff(s) for k, a in enumerate(self.args) if k), sp.Integer(0))

    def _eval_evalf(self, prec: int) -> sp.Expr:
        i, *exponents = self.args
        return (1 / sum(sp.exp(a - exponents[int(i)]) for a in exponents))._eval_evalf(prec)


class minimum(sp.Function):  # noqa: N801
    """min(a, b), through which NaN passes (sympy.Min is slow with many arguments and differentiates to Heaviside)."""

    nargs = 2
    is_real = True

    @classmethod
    def eval(cls, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        return sp.Min(a, b) if a.is_number and b.is_number else None

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        a, b = self.args
        return where(a < b, a.diff(s), b.diff(s))


class maximum(sp.Function):  # noqa: N801
    """max(a, b), through which NaN passes."""

    nargs = 2
    is_real = True

    @classmethod
    def eval(cls, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        return sp.Max(a, b) if a.is_number and b.is_number else None

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        a, b = self.args
        return where(a > b, a.diff(s), b.diff(s))


class where(sp.Function):  # noqa: N801
    """a where the condition holds, else b (sympy.Piecewise folds nested conditions into forms that have no text)."""

    nargs = 3
    is_real = True

    @classmethod
    def eval(cls, condition: Any, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        if condition == sp.true or a == b:
            return a
        return b if condition == sp.false else None

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        condition, a, b = self.args
        return where(condition, a.diff(s), b.diff(s))


class rint(sp.Function):  # noqa: N801
    """The nearest whole number, halves to even; its derivative is 0 wherever there is one."""

    nargs = 1
    is_real = True

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        return sp.Integer(round(float(x))) if x.is_number else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.Integer(0)


class absolute(sp.Function):  # noqa: N801
    """|x| (sympy.Abs takes log(x) and sqrt(x) for complex numbers, and differentiates to their parts)."""

    nargs = 1
    is_real = True

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        return sp.Abs(x) if x.is_number or x.is_nonnegative else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sign(self.args[0])


class sign(sp.Function):  # noqa: N801
    """-1, 0 or 1; its derivative is 0 wherever there is one (sympy.sign differentiates to DiracDelta)."""

    nargs = 1
    is_real = True

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        return sp.sign(x) if x.is_number else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.Integer(0)


class power(sp.Function):  # noqa: N801
    """a**b with an exponent known at run time only: NumPy's for negative a, and with a derivative at a = 0."""

    nargs = 2
    is_real = True

    @classmethod
    def eval(cls, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        return a**b if b.is_number or a.is_positive else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        a, b = self.args
        return b * power(a, b - 1) if argindex == 1 else sp.log(a) * self


def root(x: sp.Expr) -> sp.Expr:
    """sqrt, where sqrt(x^2) is our |x| (sympy.sqrt makes it sympy.Abs)."""
    return sp.sqrt(x).replace(sp.Abs, absolute)


def logarithm(x: sp.Expr) -> sp.Expr:
    """log, with exponentials and sums of them (a mixture's density) taken apart: it is finite far in the tails."""
    total, rest = sp.Integer(0), sp.Integer(1)
    for factor in sp.Mul.make_args(x):
        base, exponent = factor.as_base_exp() if factor.is_Pow else (factor, sp.Integer(1))
        known = _log_of_exponentials(base)
        total, rest = (total, rest * factor) if known is None else (total + exponent * known, rest)
    return total + sp.log(rest)


def _log_of_exponentials(x: sp.Expr) -> sp.Expr | None:
    """Return log(x) where x is an exponential or a sum of them with weights, else None."""
    terms = sp.Add.make_args(x)
    parts = [_split_exponential(term) for term in terms]
    if None in parts:
        return None
    return logsumexp(*parts) if len(parts) > 1 else parts[0]


def _split_exponential(term: sp.Expr) -> sp.Expr | None:
    """Return a with exp(a) = ``term`` where the term is (weight) * exp(...), else None.

    A weight is positive, or made of parameters and time alone: one that vanishes at some x has no logarithm there.
    """
    exponent, weight = sp.Integer(0), sp.Integer(1)
    found = False
    for factor in sp.Mul.make_args(term):
        if isinstance(factor, sp.exp):
            exponent, found = exponent + factor.args[0], True
        else:
            weight = weight * factor
    constant = all(re.match(rf"({PARAMETER}|{TABLE})\d*_|t$", symbol.name) for symbol in weight.free_symbols)
    if not found or weight.is_negative or weight.could_extract_minus_sign() or not (constant or weight.is_positive):
        return None
    return exponent + (sp.log(weight) if weight != 1 else 0)
