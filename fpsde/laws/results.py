"""What scheme_law() returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from fpsde.density import Law


class Method(Enum):
    """How a law was computed."""

    RECURSION = "recursion"  #: closed form of an affine chain
    OPERATOR = "transition operator"  #: quadrature on panels


@dataclass(frozen=True)
class Leak:
    """Mass that left the box or the domain."""

    total: float  #: in all steps together; of a stationary law in one
    largest: float  #: in one step, as a share of the mass still there


@dataclass(frozen=True, eq=False)
class SchemeLaw:
    """The law of a chain, of what observers see. Where mass leaked, it is conditioned on never having left the ``box``.

    ``accuracy`` is what was reached: the largest change of a distribution function, at any of the times, when panels
    were halved, or the mass that quadrature lost if that is more. A recursion has round-off alone, 2e-16 a step.
    """

    law: Law  #: at the end
    laws: tuple[Law, ...]  #: at each of ``times``
    times: tuple[float, ...]  #: those asked for
    accuracy: float
    leak: Leak
    box: tuple[float, float]
    n_nodes: int  #: 0 for a recursion
    method: Method
    provenance: Mapping[str, Any]
