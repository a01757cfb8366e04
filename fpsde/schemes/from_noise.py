"""What all samplers of diffusion models share: normals for each component, conditions, and no order in a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fpsde.schemes.inputs import Per, Z
from fpsde.schemes.scheme import Scheme

Z_EACH = replace(Z, per=Per.COMPONENT)
_CONDITIONS = "a process from noise to data (it states its denoiser), in steps of unit time; z has no dt-refinement"


def sampler_scheme(
    name: str,
    equation: str,
    step: Callable,
    *,
    source: str,
    evaluations: int = 1,
    inputs: tuple = (Z_EACH,),
    parts: tuple[Scheme, ...] = (),
) -> Scheme:
    """Return the scheme of a sampler. It claims no order: its levels are those of a table."""
    return Scheme(
        name=name, equation=equation, step=step, inputs=inputs, convention="Itô", strong=None, weak=None,
        wall_order=None, conditions=_CONDITIONS, evaluations=evaluations, source=source, parts=parts,
    )  # fmt: skip


def is_sampler(scheme: Any) -> bool:
    """Return whether this is a scheme of a sampler: its steps read tables and denoiser, and no drift in time."""
    return isinstance(scheme, Scheme) and scheme.conditions == _CONDITIONS


def refuse_without_denoiser(model: Any) -> None:
    """Raise Unsuited where the process of ``model`` states no denoiser."""
    if model.process.denoiser is None:
        model.denoised(None, None)  # raises Unsuited before a table is read that is not there
