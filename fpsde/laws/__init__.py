"""The exact law of a scheme: by recursion where its steps are affine, by a transition operator elsewhere."""

from fpsde.laws.results import Leak, Method, SchemeLaw
from fpsde.laws.scheme_laws import scheme_law
from fpsde.laws.stationary_laws import stationary_scheme_law

__all__ = ["Leak", "Method", "SchemeLaw", "scheme_law", "stationary_scheme_law"]
