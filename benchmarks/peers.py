"""The same processes by other means: NumPy, PyTorch, torchsde, diffrax; as their manuals have it, and at their fastest.

All are Euler-Maruyama in float32, without stored trajectories. Batch sizes are those at which each was fastest on two
cores (they fit the second-level cache); ``shards`` are independent batches in Python threads of their own, with
generators of their own, which is how a library that works on one core gets the second one.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from harness import Contestant, optional

torch = optional("torch")
torchsde = optional("torchsde") if torch else None
jax = optional("jax")
diffrax = optional("diffrax") if jax else None
lineax = optional("lineax") if diffrax else None

#: The arrangements below, by the package that they need.
NEEDED = {"PyTorch": torch, "torchsde": torchsde, "diffrax": diffrax}


@dataclass(frozen=True)
class Model:
    """dx = drift(x) dt + sigma dW from x0. ``drift`` is plain arithmetic, so that any array library can run it.

    For loops written by hand the step is also given as  x <- x (gain + bend x^2) + shift + sigma sqrt(dt) z.
    """

    name: str
    drift: Callable[[Any], Any]
    sigma: float
    x0: float
    dt: float
    n_steps: int
    gain: float
    bend: float
    shift: float

    @property
    def t_end(self) -> float:
        """The horizon."""
        return self.n_steps * self.dt

    @property
    def kick(self) -> float:
        """The standard deviation of the noise of one step."""
        return float(self.sigma * np.sqrt(self.dt))


#: One batch: (model, particles, seed) -> final positions
Batch = Callable[[Model, int, int], Any]


def contestants(model: Model, *, scale: float = 1.0) -> list[Contestant]:
    """Return the arrangements whose packages are installed; ``scale`` shrinks the batches."""
    found = [
        _sharded("NumPy loop, one thread", _numpy_loop, model, scale * 2**15),
        _sharded("NumPy loop, two threads", _numpy_loop, model, scale * 2**15, shards=2),
    ]
    if torch:
        found += [
            _sharded("PyTorch loop, two threads within", partial(_torch, _torch_loop, 2), model, scale * 2**17),
            _sharded(
                "PyTorch loops, one in each of two threads",
                partial(_torch, _torch_loop, 1),
                model,
                scale * 2**16,
                shards=2,
            ),
        ]
    if torchsde:
        found += [
            _sharded("torchsde, as in its manual", partial(_torch, _torchsde_plain, 1), model, scale * 2**15),
            _sharded("torchsde, fastest", partial(_torch, _torchsde_fast, 1), model, scale * 2**16, shards=2),
        ]
    if diffrax:
        found += [
            _sharded("diffrax, vmap over particles", _compiled(_diffrax_vmap, model), model, scale * 2**14),
            _sharded("diffrax, fastest", _compiled(_diffrax_array, model), model, scale * 2**16, shards=2),
        ]
    return found


def missing() -> dict[str, str]:
    """Return the peers that are not installed, and what to do."""
    return {name: "not installed: pip install -e '.[peers]'" for name, module in NEEDED.items() if module is None}


def _sharded(name: str, batch: Batch, model: Model, size: float, *, shards: int = 1) -> Contestant:
    """Return the contestant that runs ``shards`` batches of ``size`` particles side by side."""
    n = int(size)
    seeds = iter(range(1, 10**9))  # each repetition draws anew

    def run() -> np.ndarray:
        with ThreadPoolExecutor(shards) as pool:
            parts = pool.map(lambda seed: batch(model, n, seed), [next(seeds) for _ in range(shards)])
            return np.concatenate([np.asarray(part).ravel() for part in parts])

    return Contestant(name, run, work=float(shards * n * model.n_steps))


def _numpy_loop(m: Model, n: int, seed: int) -> np.ndarray:
    f = np.float32
    normal = np.random.Generator(np.random.SFC64(seed)).standard_normal
    x, z, factor = np.full(n, m.x0, f), np.empty(n, f), np.empty(n, f)
    gain, bend, shift, kick = f(m.gain), f(m.bend), f(m.shift), f(m.kick)
    for _ in range(m.n_steps):
        normal(out=z, dtype=f)
        z *= kick
        if shift:
            z += shift
        if bend:
            np.multiply(x, x, out=factor)
            factor *= bend
            factor += gain
            x *= factor
        else:
            x *= gain
        x += z
    return x


def _torch(batch: Batch, threads: int, m: Model, n: int, seed: int) -> np.ndarray:
    torch.set_num_threads(threads)
    with torch.inference_mode():
        return batch(m, n, seed).numpy()


def _torch_loop(m: Model, n: int, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    x, z, factor = torch.full((n,), m.x0), torch.empty(n), torch.empty(n)
    for _ in range(m.n_steps):
        z.normal_(m.shift, m.kick, generator=generator)
        if m.bend:
            torch.mul(x, x, out=factor)
            x.mul_(factor.mul_(m.bend).add_(m.gain)).add_(z)
        else:
            x.mul_(m.gain).add_(z)
    return x


class _TorchSDE:
    """A model as torchsde's manual asks for it; diagonal noise, which was faster than additive."""

    noise_type, sde_type = "diagonal", "ito"

    def __init__(self, m: Model) -> None:
        self.m = m

    def f(self, t: Any, y: Any) -> Any:
        return self.m.drift(y)

    def g(self, t: Any, y: Any) -> Any:
        return torch.full_like(y, self.m.sigma)


class _FusedTorchSDE(_TorchSDE):
    """The same with drift and noise in one method, which torchsde uses where it finds it."""

    def f_and_g_prod(self, t: Any, y: Any, v: Any) -> Any:
        return self.m.drift(y), self.m.sigma * v


def _torchsde_plain(m: Model, n: int, seed: int) -> Any:
    torch.manual_seed(seed)
    y0, times = torch.full((n, 1), m.x0), torch.tensor([0.0, m.t_end])
    return torchsde.sdeint(_TorchSDE(m), y0, times, method="euler", dt=m.dt)[-1]


def _torchsde_fast(m: Model, n: int, seed: int) -> Any:
    y0, times = torch.full((n, 1), m.x0), torch.tensor([0.0, m.t_end])
    # Told the step, it lays its tree of increments out for it in advance.
    path = torchsde.BrownianInterval(0.0, m.t_end, size=(n, 1), dtype=y0.dtype, dt=m.dt, entropy=seed)
    return torchsde.sdeint(_FusedTorchSDE(m), y0, times, bm=path, method="euler", dt=m.dt)[-1]


def _compiled(solver: Callable[[Model, int], Callable], model: Model) -> Batch:
    """Return a batch that compiles ``solver`` once for a number of particles."""
    known: dict[int, Callable] = {}

    def batch(m: Model, n: int, seed: int) -> Any:
        if n not in known:
            known[n] = jax.jit(solver(model, n))
        return known[n](jax.random.key(seed)).block_until_ready()

    return batch


def _diffrax_solution(m: Model, key: Any, shape: tuple[int, ...], sigma: Callable) -> Any:
    # Unsafe: increments are not kept, so a step can be neither refused nor repeated; a fixed step needs neither. The
    # other one, VirtualBrownianTree, rebuilds a tree of draws for every step.
    path = diffrax.UnsafeBrownianPath(shape, key)
    terms = diffrax.MultiTerm(
        diffrax.ODETerm(lambda t, y, _: m.drift(y)), diffrax.ControlTerm(lambda t, y, _: sigma(y), path)
    )
    y0 = jax.numpy.full(shape, m.x0, dtype=jax.numpy.float32)
    options = {"saveat": diffrax.SaveAt(t1=True), "adjoint": diffrax.ForwardMode(), "max_steps": None}
    return diffrax.diffeqsolve(terms, diffrax.Euler(), 0.0, m.t_end, m.dt, y0, **options).ys


def _diffrax_vmap(m: Model, n: int) -> Callable:
    solve = partial(_diffrax_solution, m, shape=(), sigma=lambda y: jax.numpy.full_like(y, m.sigma))
    return lambda key: jax.vmap(lambda k: solve(k))(jax.random.split(key, n))


def _diffrax_array(m: Model, n: int) -> Callable:
    """Return one solve of all particles as the components of one equation with diagonal noise."""
    return partial(
        _diffrax_solution,
        m,
        shape=(n,),
        sigma=lambda y: lineax.DiagonalLinearOperator(jax.numpy.full_like(y, m.sigma)),
    )
