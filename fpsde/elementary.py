"""Elementary functions as text: the same lines for Numba and for CUDA C, fast because they vectorise.

libm costs a kernel a factor of 5 to 15, since a call cannot be vectorised. These are the classical argument
reductions with polynomials (coefficients: fdlibm for the logarithms, Chebyshev fits in 40 digits for the others), in
explicit ``fma_`` and without contraction, so every machine gives the same bits. Errors, measured in the tests: at most
3 ulp, 4 for tan, wherever the result is a normal number; sin, cos and tan reach to |x| = 2^30 (float64) or 2^17
(float32) and are NaN beyond. NaN passes through every function.

A function is a ``def`` with one name for each value (static single assignment): :func:`cuda` only changes its dress.
``T`` is the real type, ``U`` the unsigned integer of its size.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fpsde.errors import InvalidInput


@dataclass(frozen=True)
class Precision:
    """What differs between float32 and float64: bit layout, constants, polynomials."""

    name: str  #: NumPy's name of the type
    mantissa: int  #: bits of the fraction
    magic: str  #: 1.5 * 2**mantissa: adding it leaves a whole number in the low bits
    exp_high: str  #: exp overflows above
    exp_low: str  #: exp is returned as 0 below
    smallest: str  #: smallest normal number
    scale_up: str  #: 2**(mantissa + 2), brings subnormals back
    root_half: int  #: bits of sqrt(1/2)
    exp_tail: tuple[float, ...]  #: (e^r - 1 - r)/r^2, highest power first
    log_even: tuple[float, ...]  #: fdlibm's polynomial, highest power first
    sin_tail: tuple[float, ...]  #: (sin(r)/r - 1)/r^2 in r^2
    cos_tail: tuple[float, ...]  #: (cos(r) - 1 + r^2/2)/r^4 in r^2
    atan_poly: tuple[float, ...]  #: atan(r)/r in r^2, |r| <= tan(pi/8)
    ln2: tuple[float, ...]
    half_pi: tuple[float, ...]
    turns: str  #: sin and cos of more than this return NaN rather than a number without meaning

    @property
    def bits(self) -> int:
        return 64 if self.name == "float64" else 32

    @property
    def bias(self) -> int:
        return 1023 if self.name == "float64" else 127


FLOAT64 = Precision(
    name="float64", mantissa=52, magic="6755399441055744.0", exp_high="709.782712893384", exp_low="-708.0",
    smallest="2.2250738585072014e-308", scale_up="18014398509481984.0", root_half=0x3FE6A09E667F3BCD,
    exp_tail=(2.0914679376583935e-09, 2.510520637395701e-08, 2.7557273661348637e-07, 2.7557255425746435e-06, 2.4801587325533363e-05, 0.00019841269874800493, 0.0013888888888883752, 0.008333333333326141, 0.04166666666666667, 0.1666666666666667, 0.5),
    log_even=(1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01, 2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01, 6.666666666666735130e-01),
    sin_tail=(1.5916726193889336e-10, -2.5051112272573243e-08, 2.755731600817155e-06, -0.0001984126983657571, 0.008333333333330827, -0.16666666666666666),
    cos_tail=(-1.1381754653662937e-11, 2.0876134024090145e-09, -2.755731721268659e-07, 2.4801587298651292e-05, -0.0013888888888887322, 0.041666666666666664),
    atan_poly=(0.015113765096600925, -0.03338782450121195, 0.04499500728984032, -0.05217312574061591, 0.05876834004614161, -0.06666205259976526, 0.07692281099937744, -0.09090908059031191, 0.11111111085322109, -0.1428571428532971, 0.19999999999997015, -0.33333333333333326, 1.0),
    ln2=(0.6931471805599453, 2.3190468138462996e-17),
    half_pi=(1.5707963267948966, 6.123233995736766e-17, -1.497384905065873e-33),
    turns="1073741824.0",
)  # fmt: skip

FLOAT32 = Precision(
    name="float32", mantissa=23, magic="12582912.0", exp_high="88.72283", exp_low="-87.0",
    smallest="1.1754943508222875e-38", scale_up="33554432.0", root_half=0x3F3504F3,
    exp_tail=(0.001392617611993558, 0.008363173074513711, 0.041666554662050534, 0.1666657702559799, 0.5),
    log_even=(0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693),
    sin_tail=(-0.0001958537320669302, 0.00833273655917713, -0.16666664601754114),
    cos_tail=(2.4545419078353295e-05, -0.0013888291300556933, 0.04166666459882798),
    atan_poly=(0.0470734814196802, -0.08456192886940496, 0.1104048922721824, -0.14281588772654125, 0.19999883856551304, -0.33333332097609386, 0.9999999999783987),
    ln2=(0.6931471824645996, -1.9046542121259336e-09),
    half_pi=(1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15),
    turns="131072.0",
)  # fmt: skip

PRECISIONS = {"float64": FLOAT64, "float32": FLOAT32}


def precision(name: str) -> Precision:
    """Return the precision called ``name``."""
    if name not in PRECISIONS:
        raise InvalidInput(f"dtype {name} is not one of {', '.join(PRECISIONS)}; kernels run in float64 or float32")
    return PRECISIONS[name]


def horner(x: str, coefficients: Sequence[float]) -> str:
    """Return a polynomial as nested ``fma_``, highest power first."""
    out = f"T({coefficients[0]!r})"
    for c in coefficients[1:]:
        out = f"fma_({out}, {x}, T({c!r}))"
    return out


def functions(p: Precision) -> str:
    """Return the elementary functions in one precision, as common text."""
    shift, exponent_mask = p.mantissa, (1 << p.mantissa) - 1
    infinity = f"from_bits(U({((1 << (p.bits - 1 - p.mantissa)) - 1) << p.mantissa}))"
    tail = "".join(f"    r{i + 1} = fma_(-k, T({c!r}), r{i})\n" for i, c in enumerate(p.half_pi))
    reduction = (
        f"    k = rint_(x * T({1 / (p.half_pi[0] + p.half_pi[1])!r}))\n    r0 = x\n{tail}    r = r{len(p.half_pi)}\n"
    )
    sin_cos = f"""    v = r * r
    s = fma_(r * v, {horner("v", p.sin_tail)}, r)
    c = fma_(v * v, {horner("v", p.cos_tail)}, fma_(T(-0.5), v, T(1.0)))
    q = to_bits(k + T({p.magic}))
    lost = T(0.0) * {infinity}
"""
    return f"""
def two_to_(k):
    # 2**k for a whole number k: its bits are moved into the exponent
    return from_bits(U(U(to_bits(k + T({p.magic})) + U({p.bias})) << U({shift})))

def exp_(x):
    y = where(x > T({p.exp_high}), T({p.exp_high}), where(x < T({p.exp_low}), T({p.exp_low}), x))
    k = rint_(y * T({1 / p.ln2[0]!r}))
    r = fma_(-k, T({p.ln2[1]!r}), fma_(-k, T({p.ln2[0]!r}), y))
    e = fma_(r * r, {horner("r", p.exp_tail)}, r) + T(1.0)
    # in two factors, since 2**k itself overflows where e**x does not
    half = rint_(k * T(0.5))
    z = (e * two_to_(half)) * two_to_(k - half)
    return where(x > T({p.exp_high}), {infinity}, where(x < T({p.exp_low}), T(0.0), z))

def expm1_(x):
    y = where(x > T({p.exp_high}), T({p.exp_high}), where(x < T({p.exp_low}), T({p.exp_low}), x))
    k = rint_(y * T({1 / p.ln2[0]!r}))
    r = fma_(-k, T({p.ln2[1]!r}), fma_(-k, T({p.ln2[0]!r}), y))
    e = fma_(r * r, {horner("r", p.exp_tail)}, r)
    half = two_to_(k - T(1.0))
    z = fma_(half, e, half - T(0.5)) * T(2.0)
    return where(x > T({p.exp_high}), {infinity}, where(k == T(0.0), e, z))

def log_normal_(x):
    # log of a positive, finite, normal number
    b = U(to_bits(x) + U({(p.bias << shift) - p.root_half}))
    k = U(b >> U({shift}))
    m = from_bits(U(U(b & U({exponent_mask})) + U({p.root_half})))
    n = from_bits(U(k | to_bits(T({2.0**p.mantissa!r})))) - T({2.0**p.mantissa + p.bias!r})
    f = m - T(1.0)
    s = f / (T(2.0) + f)
    z = s * s
    h = T(0.5) * (f * f)
    w = fma_(s, h + z * {horner("z", p.log_even)}, n * T({p.ln2[1]!r}))
    return fma_(n, T({p.ln2[0]!r}), f - (h - w))

def log_(x):
    tiny = x < T({p.smallest})
    y = log_normal_(where(tiny, x * T({p.scale_up}), x)) - where(tiny, T({(p.mantissa + 2) * 0.6931471805599453!r}), T(0.0))
    z = where(x == T(0.0), -{infinity}, where(x < {infinity}, y, x))
    return where(x < T(0.0), T(0.0) * {infinity}, z)

def log1p_(x):
    u = T(1.0) + x
    y = log_(u) + (x - (u - T(1.0))) / u
    return where(abs_(x) < T({2.0 ** -(p.mantissa + 1)!r}), x, where(u > T(0.0), where(u < {infinity}, y, x), log_(u)))

def sin_(x):
{reduction}{sin_cos}    a = where(U(q & U(1)) == U(1), c, s)
    return where(abs_(x) > T({p.turns}), lost, where(U(q & U(2)) == U(2), -a, a))

def cos_(x):
{reduction}{sin_cos}    a = where(U(q & U(1)) == U(1), s, c)
    return where(abs_(x) > T({p.turns}), lost, where(U(U(q + U(1)) & U(2)) == U(2), -a, a))

def tan_(x):
    return sin_(x) / cos_(x)

def sinh_(x):
    e = expm1_(abs_(x))
    y = T(0.5) * (e + e / (e + T(1.0)))
    z = where(e < {infinity}, y, e)
    return where(x < T(0.0), -z, z)

def cosh_(x):
    e = exp_(abs_(x))
    return T(0.5) * e + T(0.5) / e

def tanh_(x):
    e = expm1_(T(2.0) * where(x > T(22.0), T(22.0), where(x < T(-22.0), T(-22.0), x)))
    return e / (e + T(2.0))

def pow_(x, y):
    # x**y = e**(y log x) loses |y log x| ulp
    a = exp_(y * log_(abs_(x)))
    whole = rint_(y) == y
    odd = rint_(T(0.5) * y) != T(0.5) * y
    z = where(x < T(0.0), where(whole, where(odd, -a, a), T(0.0) * {infinity}), a)
    return where(y == T(0.0), T(1.0), z)

def min_(a, b):
    return where(a < b, a, where(b <= a, b, a + b))

def max_(a, b):
    return where(a > b, a, where(b >= a, b, a + b))

def sign_(x):
    return where(x > T(0.0), T(1.0), where(x < T(0.0), T(-1.0), x))

def atan_(x):
    a = abs_(x)
    far = a > T(1.0)
    b = where(far, T(1.0) / a, a)
    turned = b > T(0.4142135623730951)
    t = where(turned, (b - T(1.0)) / (b + T(1.0)), b)
    v = t * t
    y = t * {horner("v", p.atan_poly)} + where(turned, T({0.7853981633974483!r}), T(0.0))
    z = where(far, T({1.5707963267948966!r}) - y, y)
    return where(x < T(0.0), -z, z)

def asinh_(x):
    a = abs_(x)
    big = a > T(1.0e8)
    b = where(big, T(1.0), a)
    y = where(big, log_(a) + T(0.6931471805599453), log1p_(b + b * b / (T(1.0) + sqrt_(b * b + T(1.0)))))
    return where(x < T(0.0), -y, y)
"""


def used(text: str, library: str) -> str:
    """Return those functions of ``library`` that ``text`` needs, directly or through one another, in their order."""
    blocks = re.findall(r"^def \w+\(.*?(?=^def |\Z)", library, re.S | re.M)
    by_name = {re.match(r"def (\w+)", block)[1]: block for block in blocks}  # type: ignore[index]
    needed: set[str] = set()
    frontier = [text]
    while frontier:
        here = frontier.pop()
        for name in set(re.findall(r"\b(\w+)\(", here)) & by_name.keys() - needed:
            needed.add(name)
            frontier.append(by_name[name].split("\n", 1)[1])
    return "".join(block for name, block in by_name.items() if name in needed)


def cuda(library: str) -> str:
    """Return functions of the common text in C++ dress."""
    out = []
    for line in library.splitlines():
        line = line.rstrip()
        if match := re.match(r"def (\w+)\((.*)\):", line):
            out.append(f"DEV auto {match[1]}({', '.join(f'const T {a.strip()}' for a in match[2].split(','))}) {{")
        elif line.startswith("    return "):
            out.append(f"{line};\n}}")
        elif match := re.match(r"    (\w+) = (.*)", line):
            out.append(f"    const auto {match[1]} = {match[2]};")
        elif line.strip().startswith("#"):
            out.append(line.replace("#", "//", 1))
    return "\n".join(out) + "\n"
