"""The exact law of a scheme."""

from fpsde.laws.scheme_laws import Leak, Method, SchemeLaw, scheme_law

__all__ = ["Leak", "Method", "SchemeLaw", "scheme_law"]
