"""Exact laws of samplers on the line: noisy steps by transition operators, silent ones as increasing maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from fpsde.ddpm.samplers import Sampler, is_silent
from fpsde.density import Law, Normal
from fpsde.errors import InvalidInput
from fpsde.laws.affine_chain import AffineChain
from fpsde.laws.joint_laws import joint_scheme_law
from fpsde.laws.scheme_laws import scheme_law
from fpsde.processes.black_box import BlackBox
from fpsde.processes.denoising import prior_of
from fpsde.processes.process import Process
from fpsde.schemes.from_noise import is_sampler
from fpsde.schemes.scheme import Scheme

#: Levels at which a silent step is looked at: it must increase from one to the next.
LOOKED_AT = (np.arange(400) + 0.5) / 400
#: Particles that look for the box of a black box, and what is left beyond them, as a part of the range of the start.
PILOTS, SPARE = 1024, 0.05


@dataclass(frozen=True, eq=False)
class IncreasingImage(Law):
    """The law of f(X), f increasing and X of law ``source``: quantiles f(F^-1(u)), density p(x)/f'(x).

    The slope is a central difference of f, so a density has about ten digits.
    """

    source: Law
    forward: Callable[[np.ndarray], np.ndarray]

    def ppf(self, u: Any) -> np.ndarray:
        return self.forward(self.source.ppf(u))

    def cdf(self, x: Any) -> np.ndarray:
        return self.source.cdf(self._before(x))

    def pdf(self, x: Any) -> np.ndarray:
        at = self._before(x)
        h = 1e-5 * np.sqrt(float(self.source.variance))
        return self.source.pdf(at) * 2 * h / (self.forward(at + h) - self.forward(at - h))

    def range(self) -> tuple[float, float]:
        low, high = self.forward(np.array(self.source.range()))
        return float(low), float(high)

    def expectation(self, f: Callable[[np.ndarray], np.ndarray]) -> float:
        return self.source.expectation(lambda x: f(self.forward(x)))

    def _before(self, y: Any) -> np.ndarray:
        """Return f^-1(y) by bisection between the ends of the range."""
        y = np.asarray(y, dtype=float)
        low, high = (np.full(y.shape, end) for end in self.source.range())
        for _ in range(60):
            middle = 0.5 * (low + high)
            below = self.forward(middle.ravel()).reshape(y.shape) < y
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return 0.5 * (low + high)


def sampler_law(
    chain: Process | BlackBox,
    scheme: Scheme,
    *,
    x0: Law | None = None,
    corrector: Scheme | None = None,
    tolerance: float = 1e-12,
) -> Law:
    """Return the exact law of what a sampler makes of ``x0``, all steps of ``chain``, in one dimension.

    Affine chains (normal data) are a closed recursion. Else stretches of steps with noise go through
    :func:`fpsde.scheme_law`, to ``tolerance`` of the distribution functions, and stretches without (DDIM, Heun, the
    last step of ancestral sampling) are increasing maps of quantiles. ``x0`` is N(0, 1) or N(0, level_T^2) if left out.
    A ``corrector`` takes a step after each of ``scheme``: the law of ``fpsde.predictor_corrector``, a normal at a time.

    A black box, a trained network for instance (:func:`~fpsde.ddpm.samplers.network_chain`), goes as well: its steps
    must be affine in normals, and its denoiser work in float64.

    Raises InvalidInput for more components than one, a silent step that does not increase, and two normals
    a step (a corrector) where the chain is not affine; and errors of scheme_law.
    """
    if chain.dim != 1:
        raise InvalidInput(f"{chain.name} has {chain.dim} components; laws on the line are of one (see model_law)")
    law: Law = Normal(0.0, prior_of(chain)) if x0 is None else x0
    turns = [Sampler(chain, one) for one in (scheme, corrector) if one is not None]
    moves = [(sampler, i) for i in range(turns[0].n_steps) for sampler in turns]
    for (sampler, quiet), group in groupby(moves, key=lambda move: (move[0], is_silent(*move))):
        steps = [i for _, i in group]
        law = _after(law, stretch(sampler, steps[0], steps[-1] + 1), quiet=quiet, tolerance=tolerance)
    return law


def stretch(sampler: Sampler, first: int, end: int) -> Sampler:
    """Return the steps ``first`` <= i < ``end`` of a sampler. InvalidInput where they are not read from tables."""
    chain = sampler.chain
    if (first, end) == (0, sampler.n_steps):
        return sampler
    if isinstance(chain, BlackBox) and not is_sampler(sampler.scheme):
        raise InvalidInput(
            f"{sampler.scheme.name} reads a drift in time, and {chain.name} is a black box: its law is that of all "
            "steps, which have noise; give a sampler such as fpsde.ancestral()"
        )
    tables = {name: values[first:end] for name, values in chain.tables.items()}
    return replace(sampler, chain=replace(chain, tables=tables))


def _after(law: Law, sampler: Sampler, *, quiet: bool, tolerance: float) -> Law:
    """Return the law after all steps of a sampler, which all have noise or, ``quiet``, none of which has."""
    chain, scheme, end = sampler.chain, sampler.scheme, float(sampler.n_steps)
    if isinstance(law, Normal) and isinstance(chain, Process) and _is_affine(chain, scheme):
        return joint_scheme_law(chain, scheme, x0=law, t_end=end, dt=1.0).law.component(0)
    if quiet:
        return _image(law, sampler)
    if sampler.normals > 1:
        raise InvalidInput(
            f"{scheme.name} takes {sampler.normals} normals a step, and its law on data that are not normal would be "
            "summed over all of them; give its predictor, and corrector=fpsde.langevin_corrector(size)"
        )
    box = _box(law, sampler) if isinstance(chain, BlackBox) else None
    return scheme_law(chain, scheme, x0=law, t_end=end, dt=1.0, box=box, tolerance=tolerance).law


def _box(law: Law, sampler: Sampler) -> tuple[float, float]:
    """Return a box that holds the steps of a black box: where particles from all over the law go, and as far again.

    That it holds them is for the law to say: it is refused if more than 1e-10 leaks in a step.
    """
    low, high = law.range()
    x = np.linspace(low, high, PILOTS)[None]
    rng, ends = np.random.default_rng(PILOTS), [low, high]
    for i in range(sampler.n_steps):
        x = sampler.step(x, i, rng.standard_normal((sampler.normals, PILOTS)))
        ends += [float(x.min()), float(x.max())]
    spare = SPARE * (high - low)
    return min(ends) - spare, max(ends) + spare


def _is_affine(chain: Process, scheme: Scheme) -> bool:
    """Return whether the first step is affine, as all are where the data are normal."""
    try:
        AffineChain(scheme, chain).map(0.0, 1.0)
    except InvalidInput:
        return False
    return True


def _image(law: Law, sampler: Sampler) -> IncreasingImage:
    """Return the law after all steps of a sampler without noise; InvalidInput unless they increase."""

    def forward(x: np.ndarray) -> np.ndarray:
        return sampler.flow(np.atleast_1d(x).reshape(1, -1))[0].reshape(np.shape(x))

    after = forward(law.ppf(LOOKED_AT))
    if np.any(np.diff(after) <= 0):
        k = int(np.argmin(np.diff(after)))
        raise InvalidInput(
            f"{sampler.scheme.name} does not increase between the quantiles {LOOKED_AT[k]:.4g} and "
            f"{LOOKED_AT[k + 1]:.4g}: its law is no image of quantiles; take more steps"
        )
    return IncreasingImage(law, forward)
