"""Functions that Numba compiles, as CUDA C++: a loop is written once, in Python, and both back ends read it.

What is translated is small: numbers, ``+ - * /``, comparisons, ``if``, ``while``, ``for`` over ``range``, calls of
other functions that are translated, entries of arrays, tuples of one kind. Anything else is an error when the text is
made, not a guess. Operations keep their order, so that a text compiled with ``--fmad=false`` gives the bits of the CPU.

Every argument is a template parameter: a function may get a number or an array in the same place, as under Numba.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fpsde.errors import InvalidInput

#: What the text needs: arrays that are views of memory, and tuples. ``step`` lies between two cells, a row has ``n``.
VIEWS = """\
typedef long long i64;
template <class V> struct Cells {
    V* p; i64 step, n;
    __device__ V& operator[](i64 i) const { return p[i * step]; }
    __device__ V& operator()(i64 i, i64) const { return p[i * step]; }  // cell i of the one lane that a thread has
    __device__ void operator*=(V factor) const { for (i64 i = 0; i < n; ++i) p[i * step] *= factor; }
};
template <class V> struct Rows {
    V* p; i64 step, n, count;
    __device__ Cells<V> operator[](i64 k) const { return {p + k * n * step, step, n}; }
};
template <class V, int N> struct Several {
    V values[N];
    __device__ const V& operator[](i64 k) const { return values[k]; }
};
template <class V, class... More> DEV auto several(V first, More... more) {
    return Several<V, 1 + int(sizeof...(more))>{{first, more...}};
}
template <class V> DEV i64 length(Cells<V> c) { return c.n; }
template <class V> DEV i64 length(Rows<V> r) { return r.count; }
template <class V> DEV V at(Cells<V> c, i64 i) { return c[i]; }
DEV double at(double number, i64) { return number; }
DEV double smaller(double x, double y) { return x < y ? x : y; }
DEV double larger(double x, double y) { return x > y ? x : y; }
template <class V> DEV void put(Cells<V> c, i64 i, V value) { c[i] = value; }
template <class V> DEV void fill(Cells<V> c, V value) { for (i64 i = 0; i < c.n; ++i) c[i] = value; }
template <class V> DEV void fill(Cells<V> c, Cells<V> from) { for (i64 i = 0; i < c.n; ++i) c[i] = from[i]; }
"""

_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARED = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
#: Names of Python that are words of C++.
_WORDS = {"new", "delete", "this", "auto", "register", "default", "switch", "union", "operator", "template"}
_JOINED = {ast.And: "&&", ast.Or: "||"}


def translated(functions: Sequence[Any], *, renamed: Mapping[str, Any] | None = None) -> str:
    """Return the C++ text of functions and of all that they call; ``renamed`` gives names another function, or number.

    A function that is not compiled by Numba, such as ``at``, is taken to be there (``VIEWS``), and so is one that is
    given by its name in the text.
    """
    done: dict[str, str] = {}
    for one in functions:
        _add(one, renamed or {}, done)
    return "".join(done.values())


def _add(function: Any, renamed: Mapping[str, Any], done: dict[str, str]) -> None:
    """Add the text of a function by its name, after those that it calls."""
    translation = _Translation(function.py_func, renamed)
    if translation.name in done:
        return
    text = translation.text()
    for called in translation.called:
        _add(called, renamed, done)
    done[translation.name] = text


class _Translation:
    """One function on its way; ``text`` returns it."""

    def __init__(self, function: Callable[..., Any], renamed: Mapping[str, Any]) -> None:
        self._globals, self._renamed = function.__globals__, renamed
        parsed = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        assert isinstance(parsed, ast.FunctionDef)
        self._def = parsed
        self._scopes: list[set[str]] = [{a.arg for a in parsed.args.args}]
        self._fresh = 0
        self.name = parsed.name
        self.called: list[Any] = []

    def text(self) -> str:
        names = [_spelt(a.arg) for a in self._def.args.args]
        kinds = ", ".join(f"class A{i}" for i in range(len(names)))
        head = ", ".join(f"A{i} {name}" for i, name in enumerate(names))
        body = self._block(self._def.body)
        return "\n".join([f"template <{kinds}> DEV auto {self._def.name}({head}) {{", *body, "}", ""])

    def _refused(self, node: ast.AST) -> InvalidInput:
        return InvalidInput(f"{self._def.name} cannot become CUDA text: it has no form for {ast.unparse(node)!r}")

    def _block(self, statements: Sequence[ast.stmt]) -> list[str]:
        self._scopes.append(set())
        lines = [f"    {line}" for statement in statements for line in self._statement(statement)]
        self._scopes.pop()
        return lines

    def _statement(self, node: ast.stmt) -> list[str]:
        match node:
            case ast.Expr(value=ast.Constant()):
                return []
            case ast.Expr(value=ast.Call() as call):
                return [f"{self._of(call)};"]
            case ast.Return(value=None):
                return ["return;"]
            case ast.Return(value=value) if value is not None:
                return [f"return {self._of(value)};"]
            case ast.Continue():
                return ["continue;"]
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=value):
                return self._unpacked(targets, value)
            case ast.Assign(targets=[target], value=value):
                return [self._stored(target, self._of(value))]
            case ast.AugAssign(target=target, op=op, value=value) if type(op) in _BINARY:
                return [f"{self._of(target)} {_BINARY[type(op)]}= {self._of(value)};"]
            case ast.If(test=test, body=body, orelse=orelse):
                otherwise = ["} else {", *self._block(orelse)] if orelse else []
                return [f"if ({self._of(test)}) {{", *self._block(body), *otherwise, "}"]
            case ast.While(test=test, body=body, orelse=[]):
                return [f"while ({self._of(test)}) {{", *self._block(body), "}"]
            case ast.For(target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range")) as span, orelse=[]):
                return self._loop(name, span, node.body)
        raise self._refused(node)

    def _loop(self, name: str, span: ast.Call, body: list[ast.stmt]) -> list[str]:
        given = [self._of(a) for a in span.args]
        begin, end, by = ["0", *given, "1"] if len(given) == 1 else [*given, "1"][:3]
        before = "<" if not by.startswith("(-") else ">"
        self._scopes.append({name})
        inside = self._block(body)
        self._scopes.pop()
        return [f"for (i64 {name} = {begin}; {name} {before} {end}; {name} += {by}) {{", *inside, "}"]

    def _unpacked(self, targets: list[ast.expr], value: ast.expr) -> list[str]:
        """Return the lines that take a tuple apart: all of it is computed before anything is written."""
        self._fresh += 1
        if isinstance(value, ast.Tuple):
            parts = [f"part{self._fresh}_{i}" for i in range(len(targets))]
            lines = [f"const auto {part} = {self._of(e)};" for part, e in zip(parts, value.elts, strict=True)]
        else:
            lines = [f"const auto parts{self._fresh} = {self._of(value)};"]
            parts = [f"parts{self._fresh}[{i}]" for i in range(len(targets))]
        named = [(t, part) for t, part in zip(targets, parts, strict=True) if ast.unparse(t) != "_"]
        return lines + [self._stored(t, part) for t, part in named]

    def _stored(self, target: ast.expr, value: str) -> str:
        if isinstance(target, ast.Name):
            known = any(target.id in scope for scope in self._scopes)
            self._scopes[-1].add(target.id)
            return f"{'' if known else 'auto '}{_spelt(target.id)} = {value};"
        if isinstance(target, ast.Subscript):
            whole = isinstance(target.slice, ast.Slice) and ast.unparse(target.slice) == ":"
            return f"fill({self._of(target.value)}, {value});" if whole else f"{self._of(target)} = {value};"
        raise self._refused(target)

    def _of(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=bool() as flag):
                return str(flag).lower()
            case ast.Constant(value=int() | float() as number):
                return repr(number)
            case ast.Name(id=name):
                return self._name(node, name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"(-{self._of(operand)})"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return f"(!{self._of(operand)})"
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return f"({self._of(left)} {_BINARY[type(op)]} {self._of(right)})"
            case ast.BoolOp(op=op, values=values):
                return "(" + f" {_JOINED[type(op)]} ".join(self._of(v) for v in values) + ")"
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARED:
                return f"({self._of(left)} {_COMPARED[type(op)]} {self._of(right)})"
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return f"({self._of(test)} ? {self._of(body)} : {self._of(orelse)})"
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return f"{self._callee(name)}({', '.join(self._of(a) for a in args)})"
            case ast.Subscript(value=value, slice=ast.Tuple(elts=places)):
                return f"{self._of(value)}({', '.join(self._of(p) for p in places)})"
            case ast.Subscript(value=value, slice=place) if not isinstance(place, ast.Slice):
                return f"{self._of(value)}[{self._of(place)}]"
            case ast.Tuple(elts=elts):
                return f"several({', '.join(self._of(e) for e in elts)})"
        raise self._refused(node)

    def _callee(self, name: str) -> str:
        called = self._renamed.get(name, self._globals.get(name))
        if isinstance(called, str):
            return called
        if not hasattr(called, "py_func"):
            return "length" if name == "len" else name
        self.called.append(called)
        return str(called.py_func.__name__)

    def _name(self, node: ast.expr, name: str) -> str:
        if any(name in scope for scope in self._scopes):
            return _spelt(name)
        value = self._renamed.get(name, self._globals.get(name))
        if isinstance(value, (int, float)):
            return repr(value if isinstance(value, int) else float(value))
        raise self._refused(node)


def _spelt(name: str) -> str:
    return f"{name}_" if name in _WORDS else name
