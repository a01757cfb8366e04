"""Generated source kept on disk: one file for each text, under the hash of everything that went into it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from fpsde.errors import BackendUnavailable
from fpsde.optional import optional

platformdirs = optional("platformdirs")

#: Names the directory of generated kernels in place of the platform's cache directory.
CACHE_VARIABLE = "FPSDE_CACHE_DIR"


def cache_directory() -> Path:
    """Return the directory of generated kernels, made if it is not there.

    Raises BackendUnavailable if it cannot be written; the environment variable FPSDE_CACHE_DIR names another one.
    """
    directory = Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("fpsde")) / "kernels"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackendUnavailable(
            f"kernels are generated into {directory}, which cannot be made ({error}); "
            f"set {CACHE_VARIABLE} to a directory that can"
        ) from error
    return directory


def module_of(kind: str, source: str, stamp: str) -> ModuleType:
    """Return the module of a generated source; ``kind`` opens its file name.

    ``stamp`` stands for what the source imports: Numba's own cache looks at the file alone.
    """
    name = f"{kind}_{hashlib.sha256((source + stamp).encode()).hexdigest()[:24]}"
    path = kept(f"{name}.py", source.encode)
    spec = importlib.util.spec_from_file_location(f"fpsde_generated.{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    return module


def kept(name: str, made: Callable[[], bytes]) -> Path:
    """Return the file of this name in the directory of generated kernels; what ``made`` returns where it is not there.

    The name holds a hash of everything that decides the contents. Raises BackendUnavailable if it cannot be written.
    """
    path = cache_directory() / name
    if not path.exists():
        _write(path, made())
    return path


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: another process may read it at the same time."""
    try:
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, suffix=".tmp", delete=False) as file:
            file.write(content)
        os.replace(file.name, path)
    except OSError as error:
        raise _unwritable(path.parent, error) from error


def _unwritable(directory: Path, error: OSError) -> BackendUnavailable:
    return BackendUnavailable(
        f"the kernel cannot be written to {directory} ({error}); "
        f"free some space or set {CACHE_VARIABLE} to another directory"
    )
