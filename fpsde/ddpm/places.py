"""Where array code computes: on the host, or on the first GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fpsde.arrays import gpus, host
from fpsde.backend import Backend
from fpsde.errors import InvalidInput


@contextmanager
def working_on(backend: Backend) -> Iterator[Callable[[Any], Any]]:
    """For a ``with``: give a function that brings arrays to where a backend computes, the device of this thread.

    Raises BackendUnavailable where there is no GPU, and InvalidInput for another backend than CPU and GPU: array code
    has no kernels whose products could be fused.
    """
    if backend is Backend.CPU:
        yield host
    elif backend is Backend.GPU:
        device = gpus()[0]
        with device.current():
            yield device.array
    else:
        raise InvalidInput(f"backend={backend!r}; array code takes fpsde.Backend.CPU or fpsde.Backend.GPU")
