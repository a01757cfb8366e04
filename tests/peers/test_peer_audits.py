"""Audits of third-party samplers with an exact model in them; defects that were found are pinned as what they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import fpsde
from fpsde import audit
from fpsde.audit import Quantity
from fpsde.checks import Verdict
from fpsde.ddpm import round_mixture

diffusers = pytest.importorskip("diffusers")
torchsde = pytest.importorskip("torchsde")

#: diffusers hands tensors to np.array, and torch has no copy keyword yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
FULL = fpsde.linear_schedule()
TRAINED = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
#: Data whose laws are closed recursions; the mixture, where nothing but the probe is needed.
NORMAL = round_mixture([1.0], [[1.0]], [0.5])
KEPT = {"trailing": fpsde.trailing_timesteps, "leading": fpsde.leading_timesteps, "linspace": fpsde.linspace_timesteps}


def single(x):
    return torch.as_tensor(x, dtype=torch.float32)


def claimed(scheme, spacing, n, *, data=NORMAL):
    return audit.denoising(scheme, schedule=FULL.subset(KEPT[spacing](1000, n)), data=data)


def scheduler_of(kind, spacing, n, **options):
    made = kind(**TRAINED, timestep_spacing=spacing, **options)
    made.set_timesteps(n)
    return made


def exact_noise(claim, x, t):
    """The model of diffusers' timestep t = 0, ..., 999 (ours are 1, ..., 1000)."""
    return torch.as_tensor(claim.model(batch_first=True)(x.numpy(), int(t) + 1), dtype=x.dtype)


def ddim_step(scheduler, claim, *, eta=0.5):
    def step(x, i, z):
        t = scheduler.timesteps[i]
        return scheduler.step(exact_noise(claim, x, t), t, x, eta=eta, variance_noise=z).prev_sample

    return step


@pytest.mark.parametrize(("spacing", "n"), [("leading", 13), ("trailing", 10), ("leading", 10)])
def test_ddim_of_diffusers_where_its_spacing_is_even(spacing, n) -> None:
    scheduler = scheduler_of(diffusers.DDIMScheduler, spacing, n, clip_sample=False, steps_offset=0)
    claim = claimed(fpsde.ddim(0.5), spacing, n)
    assert (scheduler.timesteps.numpy() + 1).tolist() == claim.timesteps.tolist()
    assert audit.step(ddim_step(scheduler, claim), claim, n=20_000, arrays=single, batch_first=True).holds


def test_ddim_of_diffusers_with_trailing_timesteps_that_do_not_divide() -> None:
    """It goes to t - 1000 // N in place of the previous selected timestep (diffusers #2076, #9261)."""
    scheduler = scheduler_of(diffusers.DDIMScheduler, "trailing", 13, clip_sample=False)
    claim = claimed(fpsde.ddim(0.5), "trailing", 13, data=None)
    assert (scheduler.timesteps.numpy() + 1).tolist() == claim.timesteps.tolist()
    found = audit.step(ddim_step(scheduler, claim), claim, arrays=single, batch_first=True)
    assert found.level == "affine probe", str(found)


def test_ddim_of_diffusers_clips_unless_told_not_to() -> None:
    scheduler = scheduler_of(diffusers.DDIMScheduler, "leading", 10)
    claim = claimed(fpsde.ddim(0.5), "leading", 10, data=None)
    found = audit.step(ddim_step(scheduler, claim), claim, arrays=single, batch_first=True)
    assert (found.level, found.quantity) == ("affine probe", Quantity.MEAN)


def audited_ddpm(kind, fraction, spacing):
    scheduler = scheduler_of(diffusers.DDPMScheduler, spacing, 13, clip_sample=False, variance_type=kind)
    claim = claimed(fpsde.ancestral(fraction), spacing, 13)
    assert (scheduler.timesteps.numpy() + 1).tolist() == claim.timesteps.tolist()

    def step(x, i, rng):
        t = scheduler.timesteps[i]
        return scheduler.step(exact_noise(claim, x, t), t, x, generator=rng).prev_sample

    seeded = lambda seed: torch.Generator().manual_seed(seed)  # noqa: E731
    return audit.drawn_step(step, claim, n=20_000, arrays=single, batch_first=True, rng=seeded)


@pytest.mark.parametrize(
    ("kind", "fraction", "spacing"),
    [("fixed_small", 0.0, "leading"), ("fixed_large", 1.0, "leading"), ("fixed_small", 0.0, "trailing")],
)
def test_ddpm_of_diffusers(kind, fraction, spacing) -> None:
    found = audited_ddpm(kind, fraction, spacing)
    assert found.holds, str(found)


def test_ddpm_of_diffusers_with_large_variances_and_trailing_timesteps_ends_in_noise() -> None:
    """The last of 13 trailing timesteps is 76, not 0: it asks t > 0, and adds noise of variance 1 - alpha_bar_76."""
    found = audited_ddpm("fixed_large", 1.0, "trailing")
    assert (found.level, found.quantity) == ("exact law", Quantity.LAST)
    assert "step 12 has noise of spread 0.25" in found.deciding.detail


@pytest.mark.parametrize("kind", ["EulerDiscreteScheduler", "DPMSolverMultistepScheduler"])
def test_euler_and_first_order_dpm_of_diffusers_are_ddim(kind) -> None:
    options = {} if kind.startswith("Euler") else {"solver_order": 1, "final_sigmas_type": "zero"}
    scheduler = scheduler_of(getattr(diffusers, kind), "trailing", 20, **options)
    sigmas = scheduler.sigmas.numpy().astype(float)
    exploding = kind.startswith("Euler")  # x = x0 + sigma z; the other keeps the variance
    bars = 1 / (1 + sigmas[:-1][::-1] ** 2)
    schedule = (
        fpsde.schedule_of_sigmas(sigmas[:-1][::-1])
        if exploding
        else fpsde.schedule_of_betas(1 - bars / np.append(1.0, bars[:-1]))
    )
    claim = audit.denoising(fpsde.ddim(), schedule=schedule, data=NORMAL)

    def step(x, i, z):
        scheduler._step_index = i
        noise = torch.as_tensor(claim.model()(x.numpy(), int(claim.timesteps[i])), dtype=x.dtype)
        scheduler.is_scale_input_called = True
        return scheduler.step(noise, scheduler.timesteps[i], x).prev_sample

    found = audit.step(step, claim, n=20_000, arrays=single, batch_first=True)
    assert found.holds, str(found)


class Geometric:
    noise_type, sde_type = "diagonal", "ito"

    def f(self, t, y):
        return 0.3 * y

    def g(self, t, y):
        return 0.4 * y


@pytest.mark.parametrize(("method", "scheme"), [("euler", fpsde.euler_maruyama), ("milstein", fpsde.milstein)])
def test_torchsde_on_geometric_brownian_motion(method, scheme) -> None:
    claim = audit.claim(fpsde.geometric_brownian(mu=0.3, sigma=0.4), scheme, x0=1.2, t_end=1.0, dt=0.05)

    def run(n, seed):
        y0, times = torch.full((n, 1), 1.2, dtype=torch.float64), torch.tensor([0.0, 1.0], dtype=torch.float64)
        bm = torchsde.BrownianInterval(0.0, 1.0, size=(n, 1), dtype=torch.float64, entropy=seed)
        return torchsde.sdeint(Geometric(), y0, times, bm=bm, method=method, dt=0.05)[-1, :, 0].detach()

    found = audit.run(run, claim, n=100_000)
    assert found.holds, str(found)
    other = audit.claim(fpsde.geometric_brownian(mu=0.3, sigma=0.42), scheme, x0=1.2, t_end=1.0, dt=0.05)
    assert audit.run(run, other, n=100_000).verdict is Verdict.FAIL
