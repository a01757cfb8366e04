"""Printing: SymPy expressions become lines ``name = expression`` that are valid Python and valid C++.

One printer writes the text; what differs between the machines is only the dress of a line (:class:`Target`). The names
used in the text -- ``T``, ``where``, ``fma_``, ``sqrt_``, ``exp_`` ... -- are defined for each machine by
:mod:`fpsde.elementary`; under NumPy they are NumPy's functions. Operations are printed in one fixed order with explicit
parentheses, and never contracted, so every machine rounds alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sympy as sp

from fpsde.errors import InvalidInput
from fpsde.functions import absolute, expm1, log1p, logsumexp, maximum, minimum, power, rint, sign, softmax, where

#: Functions, by SymPy class: their name in the text.
FUNCTIONS: dict[Any, str] = {
    sp.exp: "exp_",
    expm1: "expm1_",
    sp.log: "log_",
    log1p: "log1p_",
    sp.sin: "sin_",
    sp.cos: "cos_",
    sp.tan: "tan_",
    sp.sinh: "sinh_",
    sp.cosh: "cosh_",
    sp.tanh: "tanh_",
    sp.atan: "atan_",
    sp.asinh: "asinh_",
    sp.Abs: "abs_",
    absolute: "abs_",
    sp.sign: "sign_",
    sign: "sign_",
    power: "pow_",
    rint: "rint_",
    minimum: "min_",
    maximum: "max_",
    where: "where",
}

#: The text's functions when the text is run on NumPy arrays.
NUMPY_NAMES: dict[str, Any] = {
    "T": lambda x: x,
    "where": np.where,
    "sqrt_": np.sqrt,
    "exp_": np.exp,
    "expm1_": np.expm1,
    "log_": np.log,
    "log1p_": np.log1p,
    "sin_": np.sin,
    "cos_": np.cos,
    "tan_": np.tan,
    "sinh_": np.sinh,
    "cosh_": np.cosh,
    "tanh_": np.tanh,
    "atan_": np.arctan,
    "asinh_": np.arcsinh,
    "abs_": np.abs,
    "sign_": np.sign,
    "pow_": np.power,
    "rint_": np.rint,
    "min_": np.minimum,
    "max_": np.maximum,
    "true_": True,
    "false_": False,
}

_COMPARISONS = {
    sp.StrictLessThan: "<",
    sp.LessThan: "<=",
    sp.StrictGreaterThan: ">",
    sp.GreaterThan: ">=",
    sp.Eq: "==",
    sp.Ne: "!=",
}


def literal(value: float) -> str:
    """Return a number as text, to the last bit (SymPy's printers keep only 15 digits)."""
    number = float(value)
    if not np.isfinite(number):
        raise InvalidInput(f"the constant {value} of an expression is beyond the range of float64; rescale it")
    return f"T({number!r})"


def text(e: Any) -> str:
    """Return one expression as text."""
    if e is sp.true or e is sp.false:
        return "true_" if e else "false_"
    if e.is_Symbol:
        return e.name
    if e.is_number and e.is_real is not False and not e.free_symbols:
        return literal(e)
    if e.is_Add:
        return _sum(e)
    if e.is_Mul:
        return _product(e)
    if e.is_Pow:
        return _power(e.base, e.exp)
    if type(e) in _COMPARISONS:
        return f"({text(e.lhs)} {_COMPARISONS[type(e)]} {text(e.rhs)})"
    if isinstance(e, (sp.And, sp.Or)):
        return (
            "("
            + (" & " if isinstance(e, sp.And) else " | ").join(text(a) for a in sorted(e.args, key=sp.default_sort_key))
            + ")"
        )
    if isinstance(e, sp.Not):
        return f"({text(e.args[0])} == false_)"
    if e.func in FUNCTIONS:
        return f"{FUNCTIONS[e.func]}({', '.join(text(a) for a in e.args)})"
    raise InvalidInput(
        f"{e.func.__name__} in {e} has no counterpart in the kernels; "
        f"known are {', '.join(sorted({f.__name__ for f in FUNCTIONS}))}"
    )


def _sum(e: sp.Expr) -> str:
    first, *rest = e.as_ordered_terms()
    out = text(first)
    for term in rest:
        sign, size = ("-", -term) if term.could_extract_minus_sign() else ("+", term)
        out = f"({out} {sign} {text(size)})"
    return out


def _product(e: sp.Expr) -> str:
    above, below = [], []
    for factor in e.as_ordered_factors():
        if factor.is_Pow and factor.exp.is_number and factor.exp.is_negative:
            below.append(sp.Pow(factor.base, -factor.exp))
        elif factor.is_Rational and not factor.is_Integer and factor.p in (1, -1):
            above.append(sp.Integer(factor.p))
            below.append(sp.Integer(factor.q))
        else:
            above.append(factor)
    # dividing by a power of two is exact, and a multiplication is faster
    exact = [f for f in below if f.is_Integer and (int(f) & (int(f) - 1)) == 0]
    above = [f for f in [*above, *(sp.Float(1 / int(f)) for f in exact)] if f != 1] or [sp.Integer(1)]
    below = [f for f in below if f not in exact]
    return f"({_times(above)} / {_times(below)})" if below else _times(above)


def _times(factors: Sequence[sp.Expr]) -> str:
    if factors[0] == -1 and len(factors) > 1:
        return f"(-{_times(factors[1:])})"
    out = text(factors[0])
    for factor in factors[1:]:
        out = f"({out} * {text(factor)})"
    return out


def _power(base: sp.Expr, exponent: sp.Expr) -> str:
    if exponent.is_number and exponent.is_negative:
        return f"(T(1.0) / {_power(base, -exponent)})"
    if exponent.is_number and float(2 * exponent).is_integer() and exponent <= 64:
        whole, half = divmod(int(2 * exponent), 2)
        parts = ([_whole_power(text(base), whole)] if whole else []) + ([f"sqrt_({text(base)})"] if half else [])
        return parts[0] if len(parts) == 1 else f"({parts[0]} * {parts[1]})"
    if exponent.is_number and exponent.is_integer:
        return f"pow_({text(base)}, {text(exponent)})"
    return f"exp_(({text(exponent)} * log_({text(base)})))"


def _whole_power(base: str, n: int) -> str:
    if n == 1:
        return base
    if n % 2:
        return f"({_whole_power(base, n - 1)} * {base})"
    half = _whole_power(base, n // 2)
    return f"({half} * {half})"


def _stable_exponentials(assignments: Sequence[tuple[sp.Symbol, Any]]) -> list[tuple[sp.Symbol, Any]]:
    """Write logsumexp(a) as m + log S and softmax(i, a) as exp(a_i - m)/S: m = max a, S = sum_j exp(a_j - m)."""
    names = sp.numbered_symbols("m", cls=sp.Symbol, real=True)
    out: list[tuple[sp.Symbol, Any]] = []
    known: dict[tuple, tuple[sp.Symbol, sp.Symbol, list[sp.Symbol]]] = {}

    def named(e: Any) -> sp.Symbol:
        out.append((next(names), e))
        return out[-1][0]

    def shared(args: tuple) -> tuple[sp.Symbol, sp.Symbol, list[sp.Symbol]]:
        if args not in known:
            exponents = [named(rewrite(a)) for a in args]
            m = exponents[0]
            for a in exponents[1:]:
                m = named(maximum(m, a))
            terms = [named(sp.exp(a - m)) for a in exponents]
            known[args] = (m, named(sp.Add(*terms)), terms)
        return known[args]

    def rewrite(e: Any) -> Any:
        if not isinstance(e, sp.Basic) or not e.has(logsumexp, softmax):
            return e
        if isinstance(e, logsumexp):
            m, total, _ = shared(e.args)
            return m + sp.log(total)
        if isinstance(e, softmax):
            _, total, terms = shared(e.args[1:])
            return terms[int(e.args[0])] / total
        return e.func(*(rewrite(a) for a in e.args))

    for name, e in assignments:
        rewritten = rewrite(e)
        out.append((name, rewritten))
    return out


def lines(assignments: Sequence[tuple[sp.Symbol, Any]]) -> list[str]:
    """Return the assignments as text lines ``name = expression``, with what they share computed once.

    ``assignments`` are (symbol, expression) in order; later ones may use earlier symbols. Shared subexpressions get
    names of their own; logsumexp is written in its stable form.
    """
    stable = _stable_exponentials(assignments)
    shared = sp.numbered_symbols("s", cls=sp.Symbol, real=True)
    out: list[str] = []
    for group in _independent_groups(stable):
        common, reduced = sp.cse([e for _, e in group], symbols=shared, order="none")
        out += [f"{name} = {text(e)}" for name, e in common]
        out += [f"{name} = {text(e)}" for (name, _), e in zip(group, reduced, strict=True)]
    return out


def _independent_groups(assignments: Sequence[tuple[sp.Symbol, Any]]) -> list[list[tuple[sp.Symbol, Any]]]:
    """Cut a list of assignments into runs in which none uses a name assigned in the same run (cse may then reorder)."""
    groups: list[list[tuple[sp.Symbol, Any]]] = [[]]
    assigned: set[sp.Symbol] = set()
    for name, e in assignments:
        if sp.sympify(e).free_symbols & assigned:
            groups.append([])
            assigned = set()
        groups[-1].append((name, e))
        assigned.add(name)
    return [group for group in groups if group]


def cuda_line(line: str) -> str:
    """Return a text line in C++ dress: ``const T name = expression;``."""
    return f"const T {line};"


def numpy_function(
    arguments: Sequence[sp.Symbol], results: Sequence[Any], *, assignments: Sequence[tuple[sp.Symbol, Any]] = ()
) -> Callable[..., tuple[np.ndarray, ...]]:
    """Return the function (arrays) -> tuple of arrays that runs the printed text of ``results`` under NumPy.

    ``assignments`` are symbols with what they stand for in what follows, as in :func:`lines`.
    """
    outputs = [sp.Symbol(f"out_{i}", real=True) for i in range(len(results))]
    body = lines([*assignments, *zip(outputs, results, strict=True)])
    source = "\n".join(
        [
            f"def f({', '.join(a.name for a in arguments)}):",
            *(f"    {line}" for line in body),
            f"    return ({''.join(f'{o.name}, ' for o in outputs)})",
        ]
    )
    namespace: dict[str, Any] = dict(NUMPY_NAMES)
    exec(compile(source, "<fpsde text under NumPy>", "exec"), namespace)
    return namespace["f"]
