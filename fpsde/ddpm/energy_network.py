"""A network whose prediction is a gradient: its score is minus the gradient of an energy, and has no curl."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fpsde.arrays import module_of
from fpsde.ddpm.denoiser import Denoiser
from fpsde.ddpm.network import Network, affine, silu
from fpsde.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class EnergyNetwork(Network):
    """The velocity v = grad U of a potential U(x, sigma), the sum of what a :class:`Network` of this shape returns.

    Of x = a x0 + s z, with a^2 + s^2 = 1, the score is then minus the gradient of

        E(x) = |x|^2/2 + (a/s) U(x),    for eps = s x + a v = -s score

    It is trained like a network, by derivatives of derivatives; a step costs about three times as much.
    """

    def __call__(self, features: Any) -> Any:
        """Return the velocity (d, n) at features (inputs, n)."""
        return self.with_gradient(features)[0]

    def potential(self, features: Any) -> Any:
        """Return U (n,) at features (inputs, n)."""
        return super().__call__(features).sum(axis=0)

    def with_gradient(self, features: Any) -> tuple[Any, Callable[[Any, Any], Any]]:
        """Return the velocity (d, n), and pull(slopes, out), from slopes (d, n) of a loss in it to its gradient.

        ``pull`` writes the gradient in the parameters to ``out`` (size,), and returns that in the features.
        """
        xp, d = module_of(features), self.shape.dim
        (*hidden, (last, _)), inputs, seen = self._layers(self.parameters), [features], []
        for layer in hidden:
            a = affine(layer, inputs[-1])
            h, s = silu(a)
            seen.append((s * (1 + a * (1 - s)), s * (1 - s) * (2 + a * (1 - 2 * s))))  # silu', silu''
            inputs.append(h)
        top = xp.repeat(last.sum(axis=0)[:, None], features.shape[1], axis=1)
        g = top
        for (w, _), (rate, _) in zip(reversed(hidden), reversed(seen), strict=True):
            g = w.T @ (g * rate)

        def pull(slopes: Any, out: Any) -> Any:
            # the loss changes with the parameters as J = sum(slopes * grad U): U's derivative along `slopes`
            along = [xp.concatenate([slopes, xp.zeros_like(features[d:])])]
            turned = []
            for (w, _), (rate, _) in zip(hidden, seen, strict=True):
                turned.append(w @ along[-1])
                along.append(rate * turned[-1])
            *to_hidden, (to_last, to_bias) = self._layers(out)
            to_last[...] = along[-1].sum(axis=1)
            to_bias[...] = 0
            by_along, by_value = top, xp.zeros_like(top)
            for k in reversed(range(len(hidden))):
                (w, _), (to_w, to_b), (rate, bend) = hidden[k], to_hidden[k], seen[k]
                by_value = by_along * bend * turned[k] + by_value * rate
                by_along = by_along * rate
                to_w[...] = by_along @ along[k].T + by_value @ inputs[k].T
                to_b[...] = by_value.sum(axis=1)
                by_along, by_value = w.T @ by_along, w.T @ by_value
            return by_value

        return g[:d], pull


def energy(denoiser: Denoiser, x: Any, level: Any) -> Any:
    """Return E (n,) of x0 + level z at ``x`` (d, n), up to a constant: grad E = (x - D(x, level))/level^2.

    Raises InvalidInput for a denoiser whose network is no :class:`EnergyNetwork`.
    """
    network = denoiser.network
    if not isinstance(network, EnergyNetwork):
        raise InvalidInput("the denoiser's network has no energy; train one with network=EnergyNetwork(...)")
    seen, a, s, features = denoiser.inputs(x, level)
    return 0.5 * (seen**2).sum(axis=0) + a / s * network.potential(features).astype(x.dtype)
