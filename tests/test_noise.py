"""The generator: published answers, the counter's layout, the law of the normals; each beside what it must catch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from bare_kernels import LANES, block_of, fill_of, rows_of
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from fpsde import noise
from fpsde.density import Normal
from fpsde.errors import InvalidInput
from fpsde.noise import MAX_BLOCK, Normals, Purpose, counter, uniforms, words
from fpsde.printing import NUMPY_NAMES

#: Level of each statistical test here; there are about 200.
ALPHA = 1e-7
BOTH = [Normals.FLOAT32, Normals.FLOAT64]

#: Random123 1.14, kat_vectors: counter, key, and the words after 10 and after 7 rounds.
KNOWN = [
    ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8", "5f6fb709 0d893f64 4f121f81 4f730a48"),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd", "5207ddc2 45165e59 4d8ee751 8c52f662"),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        "d16cfe09 94fdcceb 5001e420 24126ea1",
        "4dfccaba 190a87f0 c47362ba b6b5242a",
    ),
]


def fields(ctr, key):
    """Return (seed, particle, block, purpose) of a counter and a key."""
    return key[0] | key[1] << 32, ctr[0] | ctr[1] << 32, ctr[2] | (ctr[3] & 0xFFFF) << 32, ctr[3] >> 16


def text_names(normals):
    """Return the words of the generator's text for NumPy arrays (its fused multiply-add here rounds twice)."""
    real, word = (np.float32, np.uint32) if normals is Normals.FLOAT32 else (np.float64, np.uint64)
    types = {"u32": np.uint32, "u64": np.uint64, "s32": np.int32, "T": real}
    names = {name: lambda x, to=to: np.asarray(x).astype(to) for name, to in types.items()}
    bits = {"to_bits": lambda x: np.asarray(x).view(word), "from_bits": lambda x: np.asarray(x).view(real)}
    return {**NUMPY_NAMES, **names, **bits, "fma_": lambda a, b, c: a * b + c, "log_normal_": np.log}


def answers(text):
    return [int(word, 16) for word in text.split()]


# --- the published answers, through the text under NumPy and through the compiled generator


@pytest.mark.parametrize(("ctr", "key", "ten", "seven"), KNOWN)
def test_the_text_under_numpy_gives_the_published_words(ctr, key, ten, seven):
    seed, particle, block, purpose = fields(ctr, key)
    found = words(seed, purpose, particles=particle, blocks=block)
    assert found.dtype == np.uint32 and found.tolist() == answers(ten)
    assert words(seed, purpose, particles=particle, blocks=block, rounds=7).tolist() == answers(seven)
    assert words(seed, purpose, particles=particle, blocks=block, rounds=9).tolist() != answers(ten)


def giving_words(rounds):
    """Return a change of the generator's text: it stores the bits of its words in place of normals."""

    def mutate(source):
        for i, name in enumerate("abcd"):
            assert f"z[{i}, l] = n{i}\n" in source
            source = source.replace(f"z[{i}, l] = n{i}\n", f"z[{i}, l] = from_bits({name}{rounds})\n")
        return source

    return mutate


def compiled_words(ctr, key, rounds, change=lambda source: source):
    seed, particle, block, purpose = fields(ctr, key)
    fill = fill_of(Normals.FLOAT32, lambda source: change(giving_words(rounds)(source)))
    return block_of(Normals.FLOAT32, seed=seed, first=particle, block=block, purpose=purpose, fill=fill).view(np.uint32)


@pytest.mark.parametrize(("ctr", "key", "ten", "seven"), KNOWN)
def test_the_compiled_generator_gives_the_published_words(ctr, key, ten, seven):
    assert compiled_words(ctr, key, 10)[:, 0].tolist() == answers(ten)
    assert compiled_words(ctr, key, 7)[:, 0].tolist() == answers(seven)


WRONG_WORDS = {
    "first multiplier": ("u64(3528531795)", "u64(3528531794)"),
    "second multiplier": ("u64(3449720151)", "u64(3449720153)"),
    "first Weyl constant": ("u64(2654435769)", "u64(2654435770)"),
    "second Weyl constant": ("u64(3144134277)", "u64(3144134279)"),
    "multipliers swapped in one round": ("p4 = u64(u64(a4) * u64(3528531795))", "p4 = u64(u64(a4) * u64(3449720151))"),
    "one key not added": ("k0_5 = u32(u64(k0_4) + u64(2654435769))", "k0_5 = k0_4"),
    "high half of the id lost": ("b0 = u32(u64(particle >> u64(32)))", "b0 = u32(0)"),
    "purpose lost": (" | u64(purpose << u64(16))", ""),
}


@pytest.mark.parametrize("name", WRONG_WORDS)
def test_a_wrong_generator_misses_a_published_answer(name):
    before, after = WRONG_WORDS[name]

    def change(source):
        assert before in source
        return source.replace(before, after)

    assert any(compiled_words(ctr, key, 10, change)[:, 0].tolist() != answers(ten) for ctr, key, ten, _ in KNOWN)


def test_every_lane_of_the_compiled_generator_gives_the_words_of_its_particle(seed):
    for first, block, purpose in [
        (0, 0, 0),
        (2**32 - 100, 2**32 - 1, 1),
        (2**63 + 7, 2**40 + 3, 0),
        (2**64 - LANES, MAX_BLOCK - 1, 65535),
    ]:
        fill = fill_of(Normals.FLOAT32, giving_words(10))
        found = block_of(Normals.FLOAT32, seed=seed, first=first, block=block, purpose=purpose, fill=fill).view(
            np.uint32
        )
        ids = np.uint64(first) + np.arange(LANES, dtype=np.uint64)
        np.testing.assert_array_equal(found, words(seed, purpose, particles=ids, blocks=block))


# --- the counter


def decoded(c):
    """Return (particle, block, purpose) of the words of a counter."""
    return c[0] | c[1] << 32, c[2] | (c[3] & 0xFFFF) << 32, c[3] >> 16


@given(particle=st.integers(0, 2**64 - 1), block=st.integers(0, MAX_BLOCK - 1), purpose=st.integers(0, 2**16 - 1))
def test_the_counter_can_be_decoded_so_no_two_numbers_share_one(particle, block, purpose):
    c = counter(particle, block, purpose)
    assert all(0 <= word < 2**32 for word in c)
    assert decoded(c) == (particle, block, purpose)


def test_the_counter_is_injective_on_small_ranges_and_at_the_edges_of_its_fields():
    edges = [0, 1, 2, 3, 2**16 - 1, 2**16, 2**32 - 1, 2**32, 2**32 + 1, 2**48 - 1]
    particles, purposes = [*edges, 2**48, 2**63, 2**64 - 1], [0, 1, 2, 2**15, 2**16 - 1]
    counters = {counter(*fields) for fields in itertools.product(particles, edges, purposes)}
    assert len(counters) == len(particles) * len(edges) * len(purposes)
    assert len({counter(*fields) for fields in itertools.product(range(40), range(40), range(8))}) == 40 * 40 * 8


@given(
    step=st.integers(0, 2**30),
    k=st.integers(0, 99),
    j=st.integers(0, 9),
    sub=st.integers(1, 100),
    r=st.integers(1, 10),
    per_block=st.sampled_from([2, 4]),
)
def test_the_flat_row_of_a_number_can_be_decoded(step, k, j, sub, r, per_block):
    k, j = k % sub, j % r
    row = (step * sub + k) * r + j
    block, place = divmod(row, per_block)
    back = block * per_block + place
    assert (back // r // sub, back // r % sub, back % r) == (step, k, j)


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("particle", (2**64, 0, 0)),
        ("particle", (-1, 0, 0)),
        ("block", (0, MAX_BLOCK, 0)),
        ("block", (0, -1, 0)),
        ("purpose", (0, 0, 2**16)),
    ],
)
def test_what_does_not_fit_the_counter_is_refused(field, arguments):
    with pytest.raises(InvalidInput, match=rf"{field}=-?\d+ does not fit the counter; 0 <= {field} < \d+ is needed"):
        counter(*arguments)


def test_the_words_are_those_of_the_counter(seed):
    """``words`` packs the counter on arrays; it must be the counter that is proved injective."""
    particles, blocks = (
        np.array([0, 5, 2**32 + 1, 2**64 - 1], np.uint64),
        np.array([0, 2**32 + 3, MAX_BLOCK - 1], np.uint64),
    )
    found = words(seed, Purpose.INITIAL, particles=particles[:, None], blocks=blocks[None, :])
    names = text_names(Normals.FLOAT32) | {"key0": seed & 0xFFFFFFFF, "key1": seed >> 32}
    for (i, p), (k, b) in itertools.product(enumerate(particles), enumerate(blocks)):
        c = dict(zip(("a0", "b0", "c0", "d0"), counter(int(p), int(b), Purpose.INITIAL), strict=True))
        namespace = {**names, **c}
        exec("\n".join(noise.key_lines() + noise.philox_lines()), namespace)
        assert [int(namespace[f"{w}10"]) for w in "abcd"] == found[:, i, k].tolist()


# --- normals from words, against Box and Muller's formula


def box_muller(w, normals):
    """Return the normals of the words (4, ...) by the formula, in higher precision; the radius is that of the grade."""
    if normals is Normals.FLOAT32:
        u = ((w[0::2].astype(np.float32).astype(float) + 1) * 2.0**-32).astype(np.float32).astype(float)
        # two bits of the quadrant, centred: angle = (q + t) pi/2 with t in [-1/2, 1/2)
        angle = np.pi / 2 * ((w[1::2] >> 30) + (w[1::2] << np.uint32(2)).astype(np.int32) * 2.0**-32)
    else:
        pairs = w[0::2].astype(np.uint64) | w[1::2].astype(np.uint64) << np.uint64(32)
        u = (pairs[0] >> np.uint64(12)).astype(np.longdouble)[None] * 2.0**-52 + np.longdouble(2.0**-53)
        fraction = (pairs[1] << np.uint64(2) >> np.uint64(12)).astype(np.longdouble)[None] * 2.0**-52 - 0.5
        angle = 2 * np.arctan(np.longdouble(1)) * ((pairs[1] >> np.uint64(62)).astype(np.longdouble)[None] + fraction)
    radius = np.sqrt(-2 * np.log(u))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(normals.per_block, *w.shape[1:])


def transform_error(normals, seed, mutate=None):
    """Return the largest error of the compiled normals against the formula, in units of the grade's epsilon at 1."""
    fill = fill_of(normals, mutate)
    found = np.concatenate([block_of(normals, seed=seed, block=b, fill=fill) for b in range(200)], axis=1)
    ids = np.tile(np.arange(LANES), 200)
    exact = box_muller(words(seed, 0, particles=ids, blocks=np.repeat(np.arange(200), LANES)), normals)
    return float(np.max(np.abs(found - exact) / (1 + np.abs(exact))) / np.finfo(normals.value).eps)


@pytest.mark.parametrize("normals", BOTH)
def test_the_normals_are_those_of_box_and_muller(normals, seed):
    assert transform_error(normals, seed) < 2.5


@pytest.mark.parametrize("normals", BOTH)
def test_the_largest_normal_is_the_stated_cut_off(normals):
    """All words 0 and all ones: the radius of the smallest and of the largest uniform."""
    assert Normals.FLOAT32.cut_off == pytest.approx(6.66, abs=0.005) and Normals.FLOAT64.cut_off == pytest.approx(
        8.57, abs=0.005
    )
    names = text_names(normals) | {f"{w}10": np.zeros(1, np.uint32) for w in "abcd"}
    exec("\n".join(noise.normal_lines(normals)), names)
    assert np.hypot(names["n0"], names["n1"])[0] == pytest.approx(normals.cut_off, rel=1e-6)
    names |= {f"{w}10": np.full(1, 0xFFFFFFFF, np.uint32) for w in "abcd"}
    exec("\n".join(noise.normal_lines(normals)), names)
    assert np.all(np.isfinite([names["n0"], names["n1"]])) and np.hypot(names["n0"], names["n1"])[0] < 1e-3


# --- the law of the normals


def drawn(normals, seed, n, mutate=None, first_block=0):
    """Return about ``n`` normals (rows, LANES): rows follow one another in the noise of a particle."""
    fill = fill_of(normals, mutate)
    blocks = range(first_block, first_block + -(-n // (LANES * normals.per_block)))
    return np.concatenate([block_of(normals, seed=seed, block=b, fill=fill) for b in blocks])


def p_of(z_score):
    return float(2 * stats.norm.sf(abs(z_score)))


def battery(z):
    """Yield names and p-values of tests that independent standard normals (rows, particles) pass."""
    z = z.astype(float)
    n, squares = z.size, z * z
    for k, power, mean, variance in [
        (1, z, 0, 1),
        (2, squares, 1, 2),
        (3, squares * z, 0, 15),
        (4, squares * squares, 3, 96),
    ]:
        yield f"moment {k}", p_of((power.mean() - mean) * np.sqrt(n / variance))
    for bound in (0.5, 1, 2, 3, 4, 5):
        for side, count in (("above", np.count_nonzero(z > bound)), ("below", np.count_nonzero(z < -bound))):
            yield f"{side} {bound}", stats.binomtest(int(count), n, special.ndtr(-bound)).pvalue
    for name, a, b in pairs(z):
        size = np.sqrt(a.size)
        yield name, p_of(np.mean(a * b) * size)
        yield f"{name}, squares", p_of(np.mean((a * a - 1) * (b * b - 1)) / 2 * size)
        yield f"{name}, square and value", p_of(np.mean((a * a - 1) * b) / np.sqrt(2) * size)
    yield "chi2", stats.chisquare(np.histogram(special.ndtr(z), bins=1000, range=(0, 1))[0]).pvalue
    yield "Kolmogorov-Smirnov", stats.kstest(z.ravel()[: 10**6], "norm").pvalue


def pairs(z):
    """Yield pairs of normals that lie next to each other in some way."""
    yield "neighbouring particles", z[:, :-1], z[:, 1:]
    yield "particles 256 apart", z[:, :256], z[:, 256:]
    for lag in (1, 2, 3, 4, 5, 8):
        yield f"rows {lag} apart", z[:-lag], z[lag:]
    for place in range(3):  # partners of one pair, and of one block
        yield f"places {place} and {place + 1} of four", z[place::4][: len(z) // 4], z[place + 1 :: 4][: len(z) // 4]
    yield "places 0 and 2 of four", z[0::4], z[2::4]


@pytest.mark.parametrize(
    "normals", [pytest.param(kind, marks=[] if kind is Normals.FLOAT64 else [pytest.mark.slow]) for kind in BOTH]
)
def test_ten_million_normals_are_independent_standard_normals(normals, seed):
    z = drawn(normals, seed, 10**7)
    assert np.abs(z).max() <= normals.cut_off
    assert [(name, p) for name, p in battery(z) if not p > ALPHA] == []


def test_seeds_purposes_and_distant_particles_are_independent(seed):
    one = drawn(Normals.FLOAT32, seed, 10**6).astype(float)
    others = {
        "next seed": drawn(Normals.FLOAT32, seed ^ 1, 10**6),
        "seed with another high half": drawn(Normals.FLOAT32, seed ^ 1 << 32, 10**6),
        "later blocks": drawn(Normals.FLOAT32, seed, 10**6, first_block=2**32),
    }
    for field, value in {"purpose": 1, "first": 2**32}.items():
        blocks = range(len(one) // 4)
        others[field] = np.concatenate(
            [block_of(Normals.FLOAT32, seed=seed, block=b, **{field: value}) for b in blocks]
        )
    for name, z in others.items():
        assert p_of(np.mean(one * z) * np.sqrt(z.size)) > ALPHA, name
        assert p_of(np.mean((one**2 - 1) * (z.astype(float) ** 2 - 1)) / 2 * np.sqrt(z.size)) > ALPHA, name


#: What is wrong in the text of the normals: (before, after), and the grade.
WRONG_NORMALS = {
    "sqrt(-log u)": ("sqrt_(T(-2.0) * log_normal_(eu))", "sqrt_(-log_normal_(eu))", Normals.FLOAT32),
    "sqrt(-log u), float64": ("sqrt_(T(-2.0) * log_normal_(eu))", "sqrt_(-log_normal_(eu))", Normals.FLOAT64),
    "radius 0.25 % too large": ("er = sqrt_(T(-2.0)", "er = sqrt_(T(-2.01)", Normals.FLOAT64),
    "cosine used twice": ("ey = er * where(eo, ec, es)", "ey = er * where(eo, es, ec)", Normals.FLOAT32),
    "one angle for both pairs": ("u32(d10 ", "u32(b10 ", Normals.FLOAT32),
    "one radius for both pairs": ("fu = fma_(T(c10)", "fu = fma_(T(a10)", Normals.FLOAT32),
    "radius and angle from one word": ("eu = fma_(T(a10)", "eu = fma_(T(b10)", Normals.FLOAT32),
    "sign of the sine lost": ("u32(eq & u32(2)) << u32(30)", "u32(eq & u32(0)) << u32(30)", Normals.FLOAT32),
    "half of the quadrant's angle": (f"T({np.pi / 2 * 2.0**-32!r})", f"T({np.pi / 4 * 2.0**-32!r})", Normals.FLOAT32),
    "8-bit radius": ("eu = fma_(T(a10)", "eu = fma_(T(u32(a10 | u32(16777215)))", Normals.FLOAT32),
    "a particle's neighbour shares its block": (
        "particle = u64(first_id + u64(l))",
        "particle = u64(first_id + u64(l // 2))",
        Normals.FLOAT32,
    ),
    "step and particle overlap": (
        "c0 = u32(block)",
        "c0 = u32(block + particle)\n        a0 = u32(0)",
        Normals.FLOAT32,
    ),
}


def changed(name):
    before, after, normals = WRONG_NORMALS[name]

    def mutate(source):
        assert before in source
        return source.replace(before, after)

    return normals, mutate


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG_NORMALS)
def test_wrong_normals_fail_the_battery(name, seed):
    normals, mutate = changed(name)
    assert any(p < ALPHA for _, p in battery(drawn(normals, seed, 10**7, mutate)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "ex = er * where(eo, es, ec)\n        ey = er * where(eo, ec, es)",
            "ex = er * where(eo, ec, es)\n        ey = er * where(eo, es, ec)",
        ),
        ("u32(u32(eq + u32(1)) & u32(2))", "u32(eq & u32(2))"),
        ("T(-0.00019585373", "T(-0.00021585373"),
    ],
    ids=["sine and cosine swapped", "sign of the cosine wrong", "a digit of the sine wrong"],
)
def test_normals_of_the_right_law_by_a_wrong_formula_miss_the_formula(before, after, seed):
    def mutate(source):
        assert before in source
        return source.replace(before, after)

    assert transform_error(Normals.FLOAT32, seed, mutate) > 30


@pytest.mark.slow
@pytest.mark.parametrize("normals", BOTH)
def test_a_billion_normals_have_the_moments_tails_and_cells_of_the_law(normals, seed):
    batches, per_batch, p = 100, 10**7, {}
    edges = special.ndtri(np.linspace(0, 1, 1001))
    bounds = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    sums, cells, tails, products, total, most = (
        np.zeros(4),
        np.zeros(1000, np.int64),
        np.zeros((2, 6), np.int64),
        {},
        0,
        0.0,
    )
    for b in range(batches):
        z = drawn(normals, seed, per_batch, first_block=b * (per_batch // LANES)).astype(float)
        total += z.size
        most = max(most, float(np.abs(z).max()))
        sums += [np.sum(z**k) for k in (1, 2, 3, 4)]
        cells += np.histogram(np.clip(z, -10, 10), bins=np.clip(edges, -10, 10))[0]
        tails += [[np.count_nonzero(z > c) for c in bounds], [np.count_nonzero(z < -c) for c in bounds]]
        for name, a, c in pairs(z):
            for kind, value in (("", np.mean(a * c)), (" squares", np.mean((a * a - 1) * (c * c - 1)) / 2)):
                products.setdefault(name + kind, []).append(value * np.sqrt(a.size))
    for k, (found, mean, variance) in enumerate(zip(sums / total, (0, 1, 0, 3), (1, 2, 15, 96), strict=True)):
        p[f"moment {k + 1}"] = p_of((found - mean) * np.sqrt(total / variance))
    p["chi2"] = stats.chisquare(cells).pvalue
    for side, bound in np.ndindex(2, 6):
        p[f"tail {side} {bound}"] = stats.binomtest(int(tails[side, bound]), total, special.ndtr(-bounds[bound])).pvalue
    p |= {name: p_of(np.mean(values) * np.sqrt(batches)) for name, values in products.items()}
    assert total >= 10**9 and most <= normals.cut_off
    assert {name: value for name, value in p.items() if not value > ALPHA} == {}


# --- uniforms of initial laws


def test_uniforms_lie_strictly_between_0_and_1_for_every_word(monkeypatch):
    for word in (0, 0xFFFFFFFF):
        monkeypatch.setattr(
            noise,
            "words",
            lambda *a, particles, blocks, w=word: np.full((4, len(blocks), particles.shape[1]), w, np.uint32),
        )
        u = uniforms(1, Purpose.INITIAL, particles=np.arange(3), count=3)
        assert u.shape == (3, 3) and np.all((u > 0) & (u < 1))
        assert np.all(np.isfinite(Normal(0.0, 1.0).ppf(u)))


def uniforms_by(count, *, compiled, monkeypatch):
    """Return uniforms of ids on both sides of 2^32, by compiled code or by NumPy."""
    monkeypatch.setattr(noise, "COMPILED_FROM", 0 if compiled else 2**40)
    ids = np.arange(2**32 - 40, 2**32 + 37, dtype=np.uint64)
    return uniforms(2**63 + 12345, Purpose.TRAINING, particles=ids[::-1], count=count)


def test_compiled_uniforms_have_the_bits_of_the_text_under_numpy(monkeypatch):
    for count in (1, 2, 5):
        here, there = (uniforms_by(count, compiled=one, monkeypatch=monkeypatch) for one in (True, False))
        assert here.shape == (count, 77)
        np.testing.assert_array_equal(here, there)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after"),
    [("u64(3528531795)", "u64(3528531793)"), ("u64(purpose", "u64(u64(0) * purpose"),
     ("u[2 * b + 1, l] = u1", "u[2 * b + 1, l] = u0"),
     ("block = u64(b)", "block = u64(0)"), ("T(0.5)", "T(0.25)")],
    ids=["a multiplier", "the purpose", "the second of a block", "which block", "half a bit"],
)  # fmt: skip
def test_a_change_in_the_compiled_text_of_uniforms_is_seen(before, after, monkeypatch):
    right = noise.uniforms_source()
    assert before in right
    there = uniforms_by(3, compiled=False, monkeypatch=monkeypatch)
    monkeypatch.setattr(noise, "uniforms_source", lambda: right.replace(before, after))
    assert not np.array_equal(uniforms_by(3, compiled=True, monkeypatch=monkeypatch), there)


@pytest.mark.parametrize("count", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_uniforms_are_uniform_and_independent(count, seed):
    u = uniforms(seed, Purpose.INITIAL, particles=np.arange(10**6, dtype=np.uint64), count=count)
    assert u.shape == (count, 10**6)
    assert all(stats.kstest(row, "uniform").pvalue > ALPHA for row in u)
    centred = (u - 0.5) * np.sqrt(12)
    for a, b in itertools.combinations(centred, 2):
        assert p_of(np.mean(a * b) * 1e3) > ALPHA
    assert p_of(np.mean(centred[:, 1:] * centred[:, :-1]) * np.sqrt(count * 1e6)) > ALPHA


def test_the_first_uniforms_of_a_particle_do_not_depend_on_how_many_are_drawn(seed):
    ids = np.array([3, 2**40], np.uint64)
    np.testing.assert_array_equal(
        uniforms(seed, Purpose.INITIAL, particles=ids, count=5)[:2],
        uniforms(seed, Purpose.INITIAL, particles=ids, count=2),
    )


def test_rows_of_a_particle_run_through_its_blocks(seed):
    for normals in BOTH:
        rows = rows_of(normals, range(11), seed=seed, first=77)
        for row in range(11):
            np.testing.assert_array_equal(
                rows[row],
                block_of(normals, seed=seed, first=77, block=row // normals.per_block)[row % normals.per_block],
            )
