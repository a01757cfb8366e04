"""What is loaded when first used: packages, so that what does not need them runs without, and modules of our own.

A run on a GPU needs NumPy, SymPy and CuPy: no Numba and no rich, and SciPy for laws alone (processes of the catalogue
whose window is that of a law among them). They are dependencies of the package all the same.
A fresh process that solves one equation on a line does not wait for planes.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from fpsde.errors import BackendUnavailable


@cache
def installed(package: str) -> bool:
    """Return whether a package can be loaded; it is loaded to see."""
    try:
        importlib.import_module(package)
    except ImportError:
        return False
    return True


class Later:
    """A module by its name: it is loaded when something of it is first asked for."""

    def __init__(self, name: str, package: str) -> None:
        self._name, self._package = name, package

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):  # asked for by Python itself and by tools: nothing is loaded for them
            raise AttributeError(attribute)
        try:
            module = importlib.import_module(self._name)
        except ImportError as error:
            raise not_installed(self._package) from error
        self.__dict__[attribute] = getattr(module, attribute)
        return self.__dict__[attribute]


def not_installed(package: str) -> BackendUnavailable:
    """Return the error for a package that is needed and not there."""
    return BackendUnavailable(f"{package} is not installed, and this needs it: pip install {package}")


def optional(name: str, *, package: str = "") -> Any:
    """Return the module of this name, to be loaded when first used; BackendUnavailable then where it is not there.

    ``package`` is what has to be installed, the first part of the name unless given.
    """
    return Later(name, package or name.split(".")[0])


def names_of(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package whose public names are loaded when first used.

    ``homes`` has for each name the module, as it is called in the package, that defines it.
    """

    def public(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return public
