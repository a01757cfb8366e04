"""Audits of steps, runs and arrays: right code passes through every door, wrong code fails where and as it should."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import fpsde
from fpsde import audit
from fpsde.audit import Level, Quantity
from fpsde.checks import Verdict
from fpsde.cli import main
from fpsde.ddpm import round_mixture
from fpsde.errors import InvalidInput, NotConverged, Unsuited
from fpsde.ledger import CheckFailed, Ledger

THETA, MEAN, SIGMA, H, N = 1.3, 0.4, 0.7, 0.05, 20
OU = fpsde.ornstein_uhlenbeck(theta=THETA, mean=MEAN, sigma=SIGMA)
#: Not stationary, mean not 0, spread not 1: what a symmetric or stationary start would hide is seen.
CLAIM = audit.claim(OU, fpsde.euler_maruyama, x0=2.0, t_end=N * H, dt=H)
ROOT = SIGMA * np.sqrt(H)


def step(x, i, z, *, drift=1.0, noise=1.0, h=H):
    return x - drift * THETA * (x - MEAN) * h + noise * SIGMA * np.sqrt(h) * z


def whole_run(n, seed, *, cut=1, steps=None):
    rng, x = np.random.default_rng(seed), np.full(n, 2.0)
    for i in range(N * cut if steps is None else steps):
        x = step(x, i, rng.standard_normal(n), h=H / cut)
    return x


def outcome(found):
    return found.level, found.quantity


# --- step(x, i, z)


def test_right_code_passes_every_level() -> None:
    found = audit.step(step, CLAIM, n=20_000)
    assert [level.said for level in found.levels] == ["pass"] * 6
    assert found.holds and found.exit_code == 0 and outcome(found) == (None, None)


class Batch:
    """An array of another library: it can be read by DLPack alone."""

    def __init__(self, values):
        self.values = values

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


def in_place(x, i, z):
    x += -THETA * (x - MEAN) * H
    x += ROOT * z
    return x


UNUSUAL = {
    "the sign of the noise is turned": (lambda x, i, z: step(x, i, -z), {}),
    "works in place": (in_place, {}),
    "single precision": (lambda x, i, z: step(x.astype(np.float32), i, z.astype(np.float32)).astype(np.float32), {}),
    "batch first": (lambda x, i, z: step(x, i, z), {"batch_first": True}),
    "another library": (lambda x, i, z: Batch(step(x.values, i, z.values)), {"arrays": Batch}),
    "as a weighted mean": (lambda x, i, z: (1 - THETA * H) * x + THETA * H * MEAN + ROOT * z, {}),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_right_but_unusual_code_passes(name) -> None:
    code, options = UNUSUAL[name]
    assert audit.step(code, CLAIM, n=5000, **options).holds


class Remembers:
    """A step that adds some of the change before: its result depends on the calls before."""

    def __init__(self):
        self.last = 0.0

    def __call__(self, x, i, z):
        after = step(x, i, z) + 1e-3 * self.last
        self.last = float(z[0])
        return after


WRONG = {
    "noise 0.1 % too large": (lambda x, i, z: step(x, i, z, noise=1.001), "affine probe", Quantity.VARIANCE),
    "drift 0.1 % too large": (lambda x, i, z: step(x, i, z, drift=1.001), "affine probe", Quantity.MEAN),
    "dt in place of its root": (lambda x, i, z: step(x, i, z, noise=np.sqrt(H)), "affine probe", Quantity.VARIANCE),
    "dt of N - 1 intervals": (lambda x, i, z: step(x, i, z, h=H * N / (N - 1)), "affine probe", Quantity.GRID),
    "no noise in the last step": (lambda x, i, z: step(x, i, z, noise=i < N - 1), "affine probe", Quantity.LAST),
    "noise cut at 3.5": (lambda x, i, z: step(x, i, np.clip(z, -3.5, 3.5)), "exact law", Quantity.LAW),
    "noise cut at 2": (lambda x, i, z: step(x, i, np.clip(z, -2, 2)), "affine probe", Quantity.NOISE),
    "depends on the calls before": (Remembers(), "algebra", Quantity.DETERMINISM),
    "the mean of the batch is taken off": (
        lambda x, i, z: step(x, i, z - z.mean()),
        "algebra",
        Quantity.COUPLING,
    ),
    "a logarithm of a negative number": (lambda x, i, z: x * np.nan, "algebra", Quantity.FINITE),
    "one value comes back": (lambda x, i, z: step(x, i, z).mean(), "algebra", Quantity.SHAPE),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_code_fails_at_its_level_and_the_quantity_is_named(name) -> None:
    code, level, quantity = WRONG[name]
    found = audit.step(code, CLAIM, n=2000)
    assert outcome(found) == (level, quantity)
    after = [one.said for one in found.levels][list(audit.LEVELS).index(level) + 1 :]
    assert set(after) <= {"not judged"}


def test_an_index_that_is_off_by_one_is_told_from_a_wrong_coefficient() -> None:
    rates = np.linspace(0.02, 0.3, 12)
    claim = audit.claim(fpsde.ddpm_chain(rates), fpsde.ddpm_step, x0=fpsde.Normal(1.0, 0.5))

    def noising(x, i, z, *, shift=0):
        beta = rates[min(i + shift, 11)]
        return np.sqrt(1 - beta) * x + np.sqrt(beta) * z

    right = audit.step(noising, claim, n=5000)
    assert [level.said for level in right.levels][:3] == ["pass"] * 3
    found = audit.step(lambda x, i, z: noising(x, i, z, shift=1), claim)
    assert outcome(found) == ("affine probe", Quantity.GRID) and "index +1" in found.deciding.detail
    back = audit.step(lambda x, i, z: noising(x, 11 - i, z), claim)
    assert outcome(back) == ("affine probe", Quantity.GRID) and "backwards" in back.deciding.detail


def test_underdamped_langevin_in_two_components() -> None:
    process = fpsde.underdamped_oscillator(stiffness=2.25, friction=0.8, temperature=0.6)
    claim = audit.claim(process, fpsde.baoab, x0=(1.0, -0.5), t_end=2.0, dt=0.1)
    k, kept = 2.25, np.exp(-0.8 * 0.1)
    right_scale = np.sqrt(0.6 * (1 - kept**2))

    def baoab(x, i, z, *, scale=right_scale):
        q, v = x
        v = v - 0.05 * k * q
        q = q + 0.05 * v
        v = kept * v + scale * z
        q = q + 0.05 * v
        return np.stack([q, v - 0.05 * k * q])

    right = audit.step(baoab, claim, n=20_000)
    assert right.holds and [one.said for one in right.levels][:3] == ["pass"] * 3
    wrong = audit.step(lambda x, i, z: baoab(x, i, z, scale=np.sqrt(0.6 * (1 - kept))), claim)
    assert outcome(wrong) == ("affine probe", Quantity.VARIANCE)


def test_doors_refuse_what_they_cannot_take() -> None:
    with pytest.raises(InvalidInput, match=r"fpsde\.audit\.run"):
        lm = audit.claim(fpsde.duffing_well(), fpsde.leimkuhler_matthews, x0=0.3, t_end=1.0, dt=0.1)
        audit.step(step, lm)
    with pytest.raises(InvalidInput, match="is no claim"):
        audit.step(step, OU)
    with pytest.raises(InvalidInput, match="is no function"):
        audit.run(np.zeros(3), CLAIM)
    with pytest.raises(InvalidInput, match=r"takes \['n', 'seed'\]; this door takes \(x, i, z\)"):
        audit.step(whole_run, CLAIM)
    with pytest.raises(InvalidInput, match="a Process and a Scheme"):
        audit.claim("ou", fpsde.euler_maruyama)
    with pytest.raises(Unsuited, match="takes"):
        audit.claim(fpsde.geometric_brownian(), fpsde.leimkuhler_matthews)


# --- step(x, i, rng)


def test_a_step_that_draws_its_own_noise_is_read_off() -> None:
    right = audit.drawn_step(lambda x, i, rng: step(x, i, rng.standard_normal(len(x))), CLAIM, n=5000)
    assert right.holds and right.levels[1].said == "not reachable"
    cases = {
        Quantity.VARIANCE: lambda x, i, rng: step(x, i, rng.standard_normal(len(x)), noise=1.05),
        Quantity.SEED: lambda x, i, rng: step(x, i, np.random.default_rng(0).standard_normal(len(x))),
        Quantity.COUPLING: lambda x, i, rng: step(x, i, np.repeat(rng.standard_normal(len(x) // 2), 2)),
        Quantity.NOISE: lambda x, i, rng: step(x, i, np.sqrt(12) * (rng.random(len(x)) - 0.5)),
    }
    for quantity, code in cases.items():
        found = audit.drawn_step(code, CLAIM, n=5000)
        assert found.verdict is Verdict.FAIL and found.quantity is quantity, (quantity, str(found))


@pytest.mark.slow
def test_noise_that_cannot_be_read_off_is_judged_by_single_steps() -> None:
    gbm = fpsde.geometric_brownian(mu=0.3, sigma=0.4)
    quadratic = audit.claim(gbm, fpsde.milstein, x0=1.2, t_end=0.5, dt=0.05)

    def milstein(x, i, rng, *, shift=1.0):
        dw = np.sqrt(0.05) * rng.standard_normal(len(x))
        return x + 0.3 * x * 0.05 + 0.4 * x * dw + 0.08 * x * (dw**2 - shift * 0.05)

    assert audit.drawn_step(milstein, quadratic, n=10_000).levels[2].verdict is Verdict.PASS
    wrong = audit.drawn_step(lambda x, i, rng: milstein(x, i, rng, shift=-1.0), quadratic, n=10_000)
    assert wrong.level == "exact law" and "beside the claimed step" in wrong.deciding.detail
    two = audit.denoising(
        fpsde.predictor_corrector(size=0.05), data=round_mixture([1.0], [[1.0]], [0.5]),
        schedule=fpsde.linear_schedule().subset([200, 600]),
    )  # fmt: skip
    rows = lambda x, i, rng: two.advance(x[None], i, rng.standard_normal((2, len(x))))[0]  # noqa: E731
    assert audit.drawn_step(rows, two, n=10_000).levels[2].verdict is Verdict.PASS
    louder = audit.drawn_step(lambda x, i, rng: rows(x, i, rng) + 0.3 * rng.standard_normal(len(x)), two, n=10_000)
    assert louder.level == "exact law"


# --- run(n, seed)


def test_a_whole_run_is_judged_by_the_law_of_its_own_scheme() -> None:
    right = audit.run(whole_run, CLAIM, n=20_000, finer=lambda k: lambda n, seed: whole_run(n, seed, cut=k))
    assert right.holds
    assert [one.said for one in right.levels] == ["pass", "not reachable", "pass", "pass", "not reachable", "pass"]
    short = audit.run(lambda n, seed: whole_run(n, seed, steps=N - 1), CLAIM, n=50_000)
    assert outcome(short) == ("exact law", Quantity.LAST)
    assert outcome(audit.run(lambda n, seed: whole_run(n, 3), CLAIM)) == ("algebra", Quantity.SEED)
    clock = np.random.default_rng(5)
    drifting = audit.run(lambda n, seed: whole_run(n, seed) + 1e-9 * clock.random(), CLAIM)
    assert outcome(drifting) == ("algebra", Quantity.DETERMINISM)
    shared = audit.run(lambda n, seed: np.concatenate([whole_run(1, seed + j) for j in range(n)]), CLAIM)
    assert outcome(shared) == ("algebra", Quantity.SEED) and "come back with the next seed" in shared.deciding.detail


def test_finer_steps_that_are_no_finer_fail_the_order() -> None:
    found = audit.run(whole_run, CLAIM, n=50_000, finer=lambda k: whole_run)
    assert outcome(found)[0] == "order"


# --- arrays


def autoregressive(n, seed):
    z = np.random.default_rng(seed).standard_normal(n)
    x = np.empty(n)
    x[0] = z[0]
    for k in range(1, n):
        x[k] = 0.8 * x[k - 1] + 0.6 * z[k]
    return x


def test_an_array_is_judged_in_its_order_and_against_its_law() -> None:
    x = np.random.default_rng(1).standard_normal(20_000)
    law = fpsde.Normal(0.0, 1.0)
    right = audit.sample(x, law)
    assert right.holds and [one.said for one in right.levels].count("not reachable") == 4
    assert outcome(audit.sample(1.1 * x, law)) == ("end law", Quantity.VARIANCE)
    assert outcome(audit.sample(x + 0.1, law)) == ("end law", Quantity.MEAN)
    assert outcome(audit.sample(np.append(x, np.nan), law)) == ("algebra", Quantity.FINITE)
    chain = autoregressive(40_000, 7)
    assert outcome(audit.sample(chain, law)) == ("end law", Quantity.SERIAL)
    thinned = audit.sample(chain, law, chain=True)
    assert thinned.holds and "thinned by" in thinned.levels[-1].detail
    assert not audit.sample(1.3 * chain, law, chain=True).holds


def test_an_array_of_two_components_against_a_joint_law() -> None:
    root = np.array([[1.0, 0.0], [0.6, 0.5]])
    law = fpsde.JointNormal([1.0, -2.0], root @ root.T)
    z = np.random.default_rng(2).standard_normal((2, 20_000))
    x = law.mean[:, None] + root @ z
    assert audit.sample(x, law).holds and audit.sample(x.T, law, batch_first=True).holds
    turned = law.mean[:, None] + np.sqrt(np.diag(law.covariance))[:, None] * z  # the correlation is lost
    assert outcome(audit.sample(turned, law)) == ("end law", Quantity.VARIANCE)


def test_a_density_of_ones_own_must_integrate_to_one() -> None:
    law = audit.law_of_density(lambda x: np.exp(-x), 0.0, 40.0)
    x = np.random.default_rng(3).exponential(size=20_000)
    assert audit.sample(x, law).holds and not audit.sample(1.1 * x, law).holds
    with pytest.raises(InvalidInput, match="integral 2"):
        audit.law_of_density(lambda x: 2 * np.exp(-x), 0.0, 40.0)
    with pytest.raises(InvalidInput, match="not negative"):
        audit.law_of_density(np.sin, 0.0, 6.0)
    with pytest.raises(NotConverged, match="panels are halved"):
        audit.law_of_density(lambda x: np.where(x < 0.3, 2.0, 0.4 / 0.7), 0.0, 1.0)
    with pytest.raises(InvalidInput, match="is no law"):
        audit.sample(x, "normal")


def test_the_example_of_the_readme_runs_as_printed(capsys) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    code = re.search(r"<!-- audit -->\n```python\n(.*?)```", text, re.S)[1]
    exec(code, {})
    out = capsys.readouterr().out
    assert "handed over as step(x, i, z): pass" in out
    assert "fail at the level 'affine probe': variance is off" in out and "1.001 times what is claimed" in out


def test_an_audit_is_a_check_of_a_test() -> None:
    rows = []
    ledger = Ledger(alpha=1e-8, seed=1, replay="pytest", record=rows.append)
    assert ledger(audit.step, step, CLAIM, n=2000).alpha == 0.5e-8
    with pytest.raises(CheckFailed, match=r"the noise is 1\.001 times what is claimed"):
        ledger(audit.step, lambda x, i, z: step(x, i, z, noise=1.001), CLAIM, n=2000)
    assert [(row["verdict"], row["level"]) for row in rows] == [("pass", None), ("fail", "affine probe")]
    assert set(fpsde.checks.CheckResult.__dataclass_fields__) <= set(rows[0])


# --- the command


def test_the_command_judges_an_object_of_a_module(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "foreign_sampler.py").write_text(
        "import numpy as np\n"
        "def right(x, i, z): return x - 1.3 * (x - 0.4) * 0.05 + 0.7 * np.sqrt(0.05) * z\n"
        "def wrong(x, i, z): return right(x, i, 1.001 * z)\n"
        "values = np.random.default_rng(1).normal(size=5000)\n"  # not the law of the process at t = 1
        "def own():\n"
        "    import fpsde\n"
        "    return fpsde.audit.sample(values, fpsde.Normal(0, 1))\n"
    )
    monkeypatch.chdir(tmp_path)
    stated = ["--process", "ornstein_uhlenbeck", "--x0", "2", "--t-end", "1", "--dt", "0.05", "--json", "-"]
    for name, value in (("theta", THETA), ("mean", MEAN), ("sigma", SIGMA)):
        stated += ["--set", f"{name}={value}"]
    assert main(["audit", "foreign_sampler:wrong", *stated]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["level"], found["quantity"]) == ("fail", "affine probe", "variance")
    assert [level["verdict"] for level in found["levels"]][2:] == ["not judged"] * 4
    assert main(["audit", "foreign_sampler:right", *stated, "--particles", "5000"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "pass"
    assert main(["audit", "foreign_sampler:values", *stated, "--door", "array"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["level"], found["levels"][2]["verdict"]) == ("end law", "not reachable")
    assert main(["audit", "foreign_sampler:own"]) == 0
    assert "not reachable" in capsys.readouterr().out
    assert main(["audit", "foreign_sampler:values"]) == 2
    assert "say what it claims to be" in capsys.readouterr().err
    assert main(["audit", "foreign_sampler:missing", *stated]) == 2
    assert main(["audit", "foreign_sampler:right", *stated, "--door", "steps"]) == 2
    assert "did you mean 'step'" in capsys.readouterr().err


def test_the_command_says_what_is_wrong_with_the_code_in_a_sentence(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "faulty_sampler.py").write_text(
        "def late(x, i, z): return x + absent\n"
        "def short(x, i): return x\n"
        "class Stateful:\n"
        "    def __call__(self, x, i, z): return x / 'two'\n"
        "stateful = Stateful()\n"
    )
    (tmp_path / "no_python.py").write_text("def step(x i): pass\n")
    monkeypatch.chdir(tmp_path)
    stated = ["--process", "ornstein_uhlenbeck", "--x0", "2", "--t-end", "1", "--dt", "0.05"]
    for arguments, said in (
        (["no_python:step", *stated], "cannot be loaded (SyntaxError"),
        (["faulty_sampler:late", *stated], "faulty_sampler:late raised NameError at"),
        (["faulty_sampler:stateful", *stated], "faulty_sampler.py:4"),
        (["faulty_sampler:short", *stated], "faulty_sampler.py:2: short takes ['x', 'i']; this door takes (x, i, z)"),
        (["faulty_sampler:late", *stated, "--door", "array"], "--door array takes ()"),
        (["faulty_sampler:late"], "without --process"),
    ):
        assert main(["audit", *arguments]) == 2
        assert said in capsys.readouterr().err


def test_what_could_not_be_judged_is_said_beside_a_pass() -> None:
    levels = (Level("algebra", Verdict.PASS), Level("order", None), Level("end law", Verdict.NOT_JUDGED))
    head = str(audit.Audit("a claim", "a door", levels, 1e-6)).splitlines()[0]
    assert head == "a claim, handed over as a door: pass at every level that could be judged; not judged: end law"


@pytest.mark.slow
@pytest.mark.parametrize(("temperature", "verdict"), [(0.5, Verdict.PASS), (0.525, Verdict.FAIL)])
def test_a_metropolised_run_is_held_against_the_exact_law_of_its_chain(temperature, verdict) -> None:
    h, energy, slope = 0.05, lambda x: x**4 / 4 - x**2 / 2, lambda x: x**3 - x

    def run(n, seed):
        rng, x = np.random.default_rng(seed), np.full(n, 0.3)
        log_proposal = lambda a, b: -((b - a + slope(a) * h) ** 2) / (4 * 0.5 * h)  # noqa: E731
        for _ in range(20):
            y = x - slope(x) * h + np.sqrt(2 * 0.5 * h) * rng.standard_normal(n)
            ratio = (energy(x) - energy(y)) / 0.5 + log_proposal(y, x) - log_proposal(x, y)
            x = np.where(np.log(rng.random(n)) < ratio, y, x)
        return x

    claim = audit.claim(fpsde.duffing_well(temperature=temperature), fpsde.mala, x0=0.3, t_end=1.0, dt=h)
    assert audit.run(run, claim, n=100_000).verdict is verdict
