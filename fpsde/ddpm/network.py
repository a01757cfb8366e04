"""A small network with gradients by hand: layers of h -> silu(W h + b), on arrays of NumPy or CuPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import special

from fpsde.arrays import module_of
from fpsde.errors import InvalidInput
from fpsde.noise import Purpose, uniforms
from fpsde.processes.schedule_formulas import geometric_levels
from fpsde.validation import integer, seed64

#: The slowest and the fastest of the waves in log sigma; from sigma = 0.01 to 100 log sigma grows by 9.2.
SLOWEST, FASTEST = 0.2, 4.0


@dataclass(frozen=True)
class NetworkShape:
    """A network from d components and a level of noise to d components.

    ``depth`` hidden layers of ``width`` units; ``waves`` pairs cos(f log sigma), sin(f log sigma), with frequencies f
    from 0.2 to 4 in equal ratios, say how much noise there is. Raises InvalidInput for numbers below 1, and waves < 2.
    """

    dim: int
    width: int = 128
    depth: int = 3
    waves: int = 8

    def __post_init__(self) -> None:
        for name, least in (("dim", 1), ("width", 1), ("depth", 1), ("waves", 2)):
            object.__setattr__(self, name, integer(name, getattr(self, name), least=least))

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(units, inputs) of each layer; the last one has no silu."""
        sizes = [self.dim + 2 * self.waves, *[self.width] * self.depth, self.dim]
        return [(units, inputs) for inputs, units in pairwise(sizes)]

    @property
    def size(self) -> int:
        """The number of parameters."""
        return sum(units * (inputs + 1) for units, inputs in self.layers)

    def features(self, x: Any, log_sigma: Any) -> Any:
        """Return what the first layer reads, (d + 2 waves, n), of points (d, n) and log sigma (n,)."""
        xp = module_of(x)
        f = xp.asarray(geometric_levels(SLOWEST, FASTEST, self.waves), dtype=x.dtype)
        phases = f[:, None] * log_sigma
        return xp.concatenate([x, xp.cos(phases), xp.sin(phases)])


@dataclass(frozen=True, eq=False)
class Network:
    """A network of a shape, with its ``parameters`` (size,): for each layer W (units, inputs) by rows, then b (units,).

        h_0 = features,   h_l = silu(W_l h_{l-1} + b_l),   value = W h + b,    silu(a) = a/(1 + exp(-a))

    It works where its parameters lie, NumPy or CuPy, and in their precision. InvalidInput for another number of them.
    """

    shape: NetworkShape
    parameters: Any

    def __post_init__(self) -> None:
        if self.parameters.shape != (self.shape.size,) or self.parameters.dtype.kind != "f":
            raise InvalidInput(
                f"parameters have shape {self.parameters.shape} and dtype {self.parameters.dtype}; "
                f"({self.shape.size},) real numbers are needed for {self.shape}"
            )

    def __call__(self, features: Any) -> Any:
        """Return the value (d, n) at features (inputs, n)."""
        *hidden, last = self._layers(self.parameters)
        h = features
        for layer in hidden:
            h, _ = silu(affine(layer, h))
        return affine(last, h)

    def with_gradient(self, features: Any) -> tuple[Any, Callable[[Any, Any], Any]]:
        """Return the value (d, n), and pull(slopes, out): from slopes (d, n) of a loss in it to those in all else.

        ``pull`` writes the gradient in the parameters to ``out`` (size,), and returns that in the features.
        """
        layers = self._layers(self.parameters)
        inputs, rates = [features], []  # what each layer reads, and silu' = s + a s (1 - s) = s (1 + a - a s)
        for layer in layers[:-1]:
            a = affine(layer, inputs[-1])
            h, s = silu(a)
            inputs.append(h)
            rates.append((a - h + 1) * s)

        def pull(slopes: Any, out: Any) -> Any:
            to, g = self._layers(out), slopes
            for k in reversed(range(len(layers))):
                (w, _), (to_w, to_b) = layers[k], to[k]
                to_w[...] = g @ inputs[k].T
                to_b[...] = g.sum(axis=1)
                g = w.T @ g
                if k > 0:
                    g *= rates[k - 1]
            return g

        return affine(layers[-1], inputs[-1]), pull

    def _layers(self, flat: Any) -> list[tuple[Any, Any]]:
        """Return views (W, b) of each layer in an array of all parameters."""
        views, at = [], 0
        for units, inputs in self.shape.layers:
            end = at + units * inputs
            views.append((flat[at:end].reshape(units, inputs), flat[end : end + units]))
            at = end + units
        return views


def new_network(shape: NetworkShape, *, seed: int, dtype: Any = np.float32) -> Network:
    """Return a network that has learned nothing: W ~ N(0, 2/inputs), b = 0, and a last layer of zeros.

    A pure function of the seed. Source: He et al., ICCV (2015), eq. 10.
    """
    parameters = np.zeros(shape.size)
    ids = np.arange(shape.size, dtype=np.uint64)
    network = Network(shape, parameters)
    draws = network._layers(special.ndtri(uniforms(seed64(seed), Purpose.WEIGHTS, particles=ids, count=1)[0]))
    for (w, _), (drawn, _) in zip(network._layers(parameters)[:-1], draws[:-1], strict=True):
        w[...] = drawn * math.sqrt(2 / w.shape[1])
    return Network(shape, parameters.astype(dtype))


def affine(layer: tuple[Any, Any], h: Any) -> Any:
    """Return W h + b of a layer (W, b), (units, n)."""
    w, b = layer
    a = w @ h
    a += b[:, None]
    return a


def silu(a: Any) -> tuple[Any, Any]:
    """Return a s, and s = 1/(1 + exp(-a)): by tanh, which does not overflow."""
    s = module_of(a).tanh(0.5 * a)
    s += 1
    s *= 0.5
    return a * s, s
