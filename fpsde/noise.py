"""The noise of every simulation: a counter-based generator, as text that all machines share.

Philox4x32-10 (Salmon, Moraes, Dror & Shaw, SC'11, doi:10.1145/2063384.2063405) turns a 128-bit counter and a 64-bit key
into 128 random bits. The counter says whose number it is, so a normal is a pure function of
(seed, purpose, particle, row) and of nothing else:

    key  = the seed (64 bits)
    c0 c1 = particle id (64 bits)
    c2, low half of c3 = block (48 bits);  high half of c3 = purpose (16 bits)

The flat row of a number is (step * sub + k) * r + j: fine step, sub-step k of ``sub``, number j of the r of a step. A
block holds four normals (``Normals.FLOAT32``: 32-bit radius, |z| <= 6.66) or two (``Normals.FLOAT64``: 53 bits,
|z| <= 8.57): row // 4 is the block and row % 4 the place in it (2 in place of 4).
"""

from __future__ import annotations

import enum
from typing import Any

import numpy as np

from fpsde import elementary
from fpsde.errors import InvalidInput
from fpsde.numba_text import compiled, header, widened
from fpsde.optional import installed

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
MAX_BLOCK = 2**48
#: From so many blocks of uniforms on they are made by compiled code: fewer take NumPy milliseconds.
COMPILED_FROM = 2**14


class Purpose(enum.IntEnum):
    """What a number is drawn for: numbers of two purposes never meet."""

    INCREMENTS = 0
    INITIAL = 1
    WEIGHTS = 2  #: what a network starts with
    TRAINING = 3  #: levels and noise of batches
    PROBES = 4  #: directions in which a divergence is probed, and paths on which a likelihood is weighted


class Normals(enum.Enum):
    """The grade of the standard normals; the value is the type they are made in."""

    FLOAT32 = "float32"  #: 32 random bits in the radius: |z| <= 6.66
    FLOAT64 = "float64"  #: 53 bits in the radius: |z| <= 8.57

    @property
    def per_block(self) -> int:
        """How many of them one block of 128 random bits gives."""
        return 4 if self is Normals.FLOAT32 else 2

    @property
    def cut_off(self) -> float:
        """The largest |z| that can come out."""
        return float(np.sqrt(2 * (32 if self is Normals.FLOAT32 else 53) * np.log(2.0)))


def counter(particle: int, block: int, purpose: int) -> tuple[int, int, int, int]:
    """Return the four 32-bit words of the counter; the map is injective on the ranges that it accepts."""
    for name, value, bound in (("particle", particle, 2**64), ("block", block, MAX_BLOCK), ("purpose", purpose, 2**16)):
        if not 0 <= value < bound:
            raise InvalidInput(f"{name}={value} does not fit the counter; 0 <= {name} < {bound} is needed")
    return particle & 0xFFFFFFFF, particle >> 32, block & 0xFFFFFFFF, (block >> 32) | (purpose << 16)


def key_lines(rounds: int = ROUNDS) -> list[str]:
    """Return the text of the key schedule: k0_r, k1_r of each round from the names ``key0`` and ``key1``."""
    out = ["k0_0 = u32(key0)", "k1_0 = u32(key1)"]
    for r in range(1, rounds):
        out += [f"k{i}_{r} = u32(u64(k{i}_{r - 1}) + u64({w}))" for i, w in enumerate(WEYL)]
    return out


def counter_lines() -> list[str]:
    """Return the text of the counter: words a0, b0, c0, d0 from the names ``particle``, ``block`` and ``purpose``."""
    return [
        "a0 = u32(particle)",
        "b0 = u32(u64(particle >> u64(32)))",
        "c0 = u32(block)",
        "d0 = u32(u64(block >> u64(32)) | u64(purpose << u64(16)))",
    ]


def philox_lines(rounds: int = ROUNDS) -> list[str]:
    """Return the text of the generator: words a_R, b_R, c_R, d_R from a0, b0, c0, d0 and the round keys."""
    out = []
    for r in range(rounds):
        out += [
            f"p{r} = u64(u64(a{r}) * u64({MULTIPLIERS[0]}))",
            f"q{r} = u64(u64(c{r}) * u64({MULTIPLIERS[1]}))",
            f"a{r + 1} = u32(u32(u64(q{r} >> u64(32))) ^ b{r} ^ k0_{r})",
            f"b{r + 1} = u32(q{r})",
            f"c{r + 1} = u32(u32(u64(p{r} >> u64(32))) ^ d{r} ^ k1_{r})",
            f"d{r + 1} = u32(p{r})",
        ]
    return out


def normal_lines(normals: Normals) -> list[str]:
    """Return the text of the normals n0, n1, ... of one block, from its four words (Box & Muller 1958)."""
    words = [f"{name}{ROUNDS}" for name in "abcd"]
    if normals is Normals.FLOAT32:
        return _pair_float32(words[0], words[1], "n0", "n1", "e") + _pair_float32(words[2], words[3], "n2", "n3", "f")
    return _pair_float64(words)


def _pair_float32(radius: str, angle: str, first: str, second: str, v: str) -> list[str]:
    scale = f"T({2.0**-32!r})"
    return [
        f"{v}u = fma_(T({radius}), {scale}, {scale})",  # in [2^-32, 1]
        f"{v}r = sqrt_(T(-2.0) * log_normal_({v}u))",
        # the angle within the quadrant, in [-pi/4, pi/4)
        f"{v}t = T(s32(u32({angle} << u32(2)))) * T({np.pi / 2 * 2.0**-32!r})",
        f"{v}q = u32({angle} >> u32(30))",
        *_turned(elementary.FLOAT32, v, first, second, "u32"),
    ]


def _pair_float64(words: list[str]) -> list[str]:
    one = f"to_bits(T({1.0!r}))"
    return [
        f"ew = u64(u64({words[0]}) | u64(u64({words[1]}) << u64(32)))",
        f"fw = u64(u64({words[2]}) | u64(u64({words[3]}) << u64(32)))",
        f"eu = from_bits(u64(u64(ew >> u64(12)) | {one})) - T({1 - 2.0**-53!r})",  # in [2^-53, 1 - 2^-53]
        "er = sqrt_(T(-2.0) * log_normal_(eu))",
        f"et = (from_bits(u64(u64(u64(fw << u64(2)) >> u64(12)) | {one})) - T(1.5)) * T({np.pi / 2!r})",
        "eq = u64(fw >> u64(62))",
        *_turned(elementary.FLOAT64, "e", "n0", "n1", "u64"),
    ]


def _turned(p: elementary.Precision, v: str, first: str, second: str, u: str) -> list[str]:
    """r (cos, sin) of the angle t + q pi/2: polynomials in t, then a swap and signs by the quadrant q."""
    sign = p.bits - 2
    return [
        f"{v}v = {v}t * {v}t",
        f"{v}s = fma_({v}t * {v}v, {elementary.horner(f'{v}v', p.sin_tail)}, {v}t)",
        f"{v}c = fma_({v}v * {v}v, {elementary.horner(f'{v}v', p.cos_tail)}, fma_(T(-0.5), {v}v, T(1.0)))",
        f"{v}o = {u}({v}q & {u}(1)) == {u}(1)",
        f"{v}x = {v}r * where({v}o, {v}s, {v}c)",
        f"{v}y = {v}r * where({v}o, {v}c, {v}s)",
        f"{first} = from_bits({u}(to_bits({v}x) ^ {u}({u}({u}({v}q + {u}(1)) & {u}(2)) << {u}({sign}))))",
        f"{second} = from_bits({u}(to_bits({v}y) ^ {u}({u}({v}q & {u}(2)) << {u}({sign}))))",
    ]


def uniform_lines() -> list[str]:
    """Return the text of the uniforms u0, u1 of one block, from its four words: in [2^-53, 1 - 2^-53].

    52 bits: with 53 the half could not be held above 1/2, and the largest would round to 1.
    """
    out = []
    for k, (low, high) in enumerate((("a", "b"), ("c", "d"))):
        out += [
            f"v{k} = u64(u64({low}{ROUNDS}) | u64(u64({high}{ROUNDS}) << u64(32)))",
            f"u{k} = (T(u64(v{k} >> u64(12))) + T(0.5)) * T({2.0**-52!r})",
        ]
    return out


def uniforms_source() -> str:
    """Return the generated file that fills ``u`` (2 blocks, n) with the uniforms of n particles."""
    lines = ["particle = particles[l]", *counter_lines(), *philox_lines(), *uniform_lines()]
    text = [
        "def fill(u, particles, purpose, key0, key1):",
        *(f"    {line}" for line in key_lines()),
        "    for b in range(u.shape[0] // 2):",
        "        block = u64(b)",
        "        for l in range(u.shape[1]):",
        *(f"            {line}" for line in [*lines, "u[2 * b, l] = u0", "u[2 * b + 1, l] = u1"]),
    ]
    integers = "types.uint64[::1], types.uint64, types.uint32, types.uint32"
    signature = f"@kernel(types.void(types.float64[:, ::1], {integers}))"
    return header("float64") + f"\n{signature}\n" + widened("\n".join(text)) + "\n"


#: The types of the text when it is run on NumPy arrays.
_NUMPY_TYPES: dict[str, Any] = {
    "u32": lambda x: np.asarray(x).astype(np.uint32),
    "u64": lambda x: np.asarray(x).astype(np.uint64),
    "T": np.float64,
}


def words(
    seed: int, purpose: Purpose, *, particles: np.ndarray, blocks: np.ndarray, rounds: int = ROUNDS
) -> np.ndarray:
    """Return the four random words of blocks, ``(4, ...)`` uint32: the shared text, run on NumPy arrays.

    ``particles`` and ``blocks`` broadcast against each other. Used where few numbers are needed (small draws, tests).
    """
    particles, blocks = np.broadcast_arrays(np.asarray(particles, np.uint64), np.asarray(blocks, np.uint64))
    high = (blocks >> np.uint64(32)) | np.uint64(int(purpose) << 16)
    names = _NUMPY_TYPES | {"key0": seed & 0xFFFFFFFF, "key1": seed >> 32}
    names |= {"a0": particles.astype(np.uint32), "b0": (particles >> np.uint64(32)).astype(np.uint32)}
    names |= {"c0": blocks.astype(np.uint32), "d0": high.astype(np.uint32)}
    exec("\n".join(key_lines(rounds) + philox_lines(rounds)), names)
    return np.stack([names[f"{w}{rounds}"] for w in "abcd"])


def uniforms(seed: int, purpose: Purpose, *, particles: np.ndarray, count: int) -> np.ndarray:
    """Return ``count`` uniform numbers for each particle, ``(count, n)`` float64 in [2^-53, 1 - 2^-53].

    Many are made by compiled code where Numba is installed: the same text, and so the same bits.
    """
    particles, blocks = np.ascontiguousarray(particles, np.uint64), np.arange((count + 1) // 2)
    if len(blocks) * particles.size >= COMPILED_FROM and installed("numba"):
        out = np.empty((2 * len(blocks), particles.size))
        keys = np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32)
        compiled("uniforms", uniforms_source()).fill(out, particles, np.uint64(purpose), *keys)
        return out[:count]
    w = words(seed, purpose, particles=particles[None, :], blocks=blocks[:, None])
    names = _NUMPY_TYPES | {f"{letter}{ROUNDS}": w[k] for k, letter in enumerate("abcd")}
    exec("\n".join(uniform_lines()), names)
    return np.stack([names["u0"], names["u1"]], axis=1).reshape(-1, particles.size)[:count]
