"""Planted errors of the noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from fpsde.symbolic import Components, components


def altered(scheme: Any, change: Callable[[Any], Any]) -> Any:
    """Return the scheme with ``change`` applied to each value of its random inputs."""

    def changed(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(changed(part) for part in value)
        return components([changed(v) for v in value]) if isinstance(value, Components) else change(value)

    def step(model: Any, x: Any, t: Any, dt: Any, noise: Any, *aux: Any) -> Any:
        return scheme.step(model, x, t, dt, SimpleNamespace(**{k: changed(v) for k, v in vars(noise).items()}), *aux)

    return replace(scheme, step=step)
