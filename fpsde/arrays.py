"""Arrays on the host and on a device, and what a launcher needs of a device. The only importer of CuPy.

A GPU is never replaced by the processor: where it cannot be had, BackendUnavailable says which of CuPy, the driver and
the device is missing.
"""

from __future__ import annotations

import hashlib
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from fpsde.cuda_errors import INSTALL, INSTEAD, CudaError, in_words
from fpsde.errors import BackendUnavailable, InvalidInput
from fpsde.generated import kept

#: What strict and fast text is compiled with. Strict: each operation is rounded by itself, as on the CPU.
STRICT, FAST = ("-std=c++17", "--fmad=false"), ("-std=c++17", "--fmad=true")
#: DLPack's kinds of devices (its header, ``DLDeviceType``) that are read by NumPy: the host, and what it has pinned for
#: CUDA; and by CuPy: CUDA, and CUDA managed, which the host could read too, but only CuPy waits for what writes it.
_DLPACK_HOST, _DLPACK_CUDA = (1, 3), (2, 13)


def host(array: Any) -> np.ndarray:
    """Return an array as a NumPy array: a device array is copied, a NumPy array is returned itself."""
    return array if isinstance(array, np.ndarray) else array.get()


def readable(array: Any) -> bool:
    """Return whether an array can be read: one that lies on a lost device cannot."""
    try:
        host(array[..., :1])
    except Exception:  # whatever its library raises there
        return False
    return True


def on_device(array: Any) -> bool:
    """Return whether this is an array of a device, on which NumPy's functions act by NumPy's own protocols."""
    # in this order: a tensor of Torch speaks no protocol of NumPy, and its interface may raise
    return hasattr(array, "__array_function__") and hasattr(array, "__cuda_array_interface__")


def placed(array: Any) -> Any:
    """Return an array of a device itself, anything else as a NumPy array: where its functions are to compute."""
    return array if on_device(array) else np.asarray(array)


def beside(array: Any, x: Any) -> Any:
    """Return an array where ``x`` lies, on the host or on a device; one that is there already is returned itself."""
    return host(array) if isinstance(x, np.ndarray) else np.asarray(array, like=x)


def module_of(array: Any) -> Any:
    """Return the module whose functions take an array: NumPy, or CuPy for an array of a device."""
    return np if isinstance(array, np.ndarray) else _cupy()


class DeviceValues(NDArrayOperatorsMixin):
    """The values ``(n,)`` of one component for n particles on a device: operators and NumPy functions act there.

    They reach the device by NumPy's own protocols, which its arrays must speak, as CuPy's do; an operation with an
    array of the host is refused, a number is not.
    """

    def __init__(self, array: Any) -> None:
        self.array = array

    def __array__(self, *given: Any, **more: Any) -> Any:
        raise TypeError("values on a device do not become a NumPy array by themselves; fpsde.arrays.host copies them")

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(isinstance(one, np.ndarray) for one in inputs):  # components take them one by one, others do not
            return NotImplemented
        return DeviceValues(getattr(ufunc, method)(*map(bare, inputs), **kwargs))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if any(issubclass(kind, np.ndarray) for kind in types):
            return NotImplemented
        arrays = [bare(one) for one in args]
        if function is np.where and not isinstance(args[0], DeviceValues):  # CuPy takes no condition that is a number
            arrays[0] = beside(np.asarray(args[0]), next(one.array for one in args if isinstance(one, DeviceValues)))
        return DeviceValues(function(*arrays, **kwargs))


def bare(value: Any) -> Any:
    """Return the array of values on a device; anything else is returned itself."""
    return value.array if isinstance(value, DeviceValues) else value


def brought(name: str, values: Any) -> Any:
    """Return an array of a device, or of another library, as a NumPy array; what NumPy can read is returned itself.

    CUDA arrays (``__cuda_array_interface__``, or DLPack) come through CuPy, each from where it lies, arrays of
    the host through DLPack; of a list or tuple each entry does. Raises InvalidInput for an array on any other kind of
    device, and for a tensor that requires grad; BackendUnavailable where CuPy is needed and missing.
    """
    if isinstance(values, (list, tuple)):
        entries = [brought(name, one) for one in values]
        same = all(one is given for one, given in zip(entries, values, strict=True))
        return values if same else type(values)(entries)
    if getattr(values, "requires_grad", False):
        raise InvalidInput(
            f"{name} is a tensor that requires grad, which a run does not carry on; give {name}.detach()"
        )
    if hasattr(values, "__cuda_array_interface__"):
        return host(values) if hasattr(values, "get") else host(_cupy().asarray(values))
    if hasattr(values, "__array__") or not hasattr(values, "__dlpack_device__"):
        return values
    kind = int(values.__dlpack_device__()[0])
    if kind in _DLPACK_HOST:
        return np.from_dlpack(values)
    if kind in _DLPACK_CUDA:
        return host(_cupy().from_dlpack(values))
    raise InvalidInput(
        f"{name} lies on a device of DLPack's kind {kind}; give an array of the host or of CUDA (kinds "
        f"{', '.join(map(str, sorted(_DLPACK_HOST + _DLPACK_CUDA)))})"
    )


class Device(ABC):
    """A device that runs CUDA text: arrays are put there, kernels are launched there, arrays are read by :func:`host`.

    It is plain data, so that it goes to another process.
    """

    name: str

    @abstractmethod
    def current(self) -> AbstractContextManager[Any]:
        """Return, for a ``with``, what makes it the device of this thread: where arrays are made, and kernels run."""

    @abstractmethod
    def array(self, values: Any) -> Any:
        """Return a copy on this device, C-contiguous; an array that is already there is returned itself."""

    @abstractmethod
    def full(self, shape: tuple[int, ...], value: Any, dtype: Any) -> Any:
        """Return an array on this device that holds ``value`` everywhere."""

    @abstractmethod
    def launch(
        self,
        text: str,
        kernel: str,
        *,
        options: Sequence[str],
        blocks: int,
        threads: int,
        arguments: Sequence[Any],
        wait: bool = True,
    ) -> None:
        """Launch a kernel of a text; it is compiled, or read from a cache, where that is still to do.

        ``arguments`` are arrays on this device and NumPy scalars of the kernel's own types. Where it does not ``wait``
        for the kernel, whatever reads an array on the host does.
        """

    @abstractmethod
    def wait(self) -> None:
        """Wait for all that this thread has begun on the device: another thread, with a stream of its own, may read."""

    @abstractmethod
    def memory(self) -> int:
        """Return the bytes of memory that are free."""


def _cupy() -> Any:
    """Return CuPy, or raise BackendUnavailable that says what is missing."""
    if importlib.util.find_spec("cupy") is None:
        raise BackendUnavailable(f"a GPU needs CuPy, which is not installed: {INSTALL}; {INSTEAD}")
    try:
        import cupy
    except Exception as error:  # a library of CUDA that it links to, in whatever way that shows
        raise BackendUnavailable(
            f"CuPy is installed but cannot be loaded ({error}); install the one that fits the driver: {INSTALL}; "
            f"{INSTEAD}"
        ) from error
    return cupy


@cache
def _kernel(number: int, text: str, name: str, options: tuple[str, ...]) -> Any:
    """Return a kernel of a text: compiled, or read from the file that keeps it under a hash of all that it needs."""
    cupy = _cupy()
    capability = cupy.cuda.Device(number).compute_capability
    needs = repr((text, options, capability, _compiler().getVersion()))
    path = kept(
        f"cuda_{hashlib.sha256(needs.encode()).hexdigest()[:24]}.cubin",
        lambda: binary(_compiler(), text, options, int(capability)),
    )
    return cupy.RawModule(path=str(path)).get_function(name)


def _compiler() -> Any:
    """Return CuPy's NVRTC, CUDA's compiler; BackendUnavailable where its library is not there."""
    nvrtc = _cupy().cuda.nvrtc
    try:
        nvrtc.getVersion()
    except Exception as error:  # CuPy finds it when it is first called, and says in its own ways that it does not
        raise BackendUnavailable(
            f"CuPy does not find NVRTC, CUDA's compiler ({error}); install it with CuPy: {INSTALL}; {INSTEAD}"
        ) from error
    return nvrtc


def binary(nvrtc: Any, text: str, options: Sequence[str], capability: int) -> bytes:
    """Return a text compiled for a device of this compute capability (90 for 9.0), or as PTX where it is a newer one.

    The way through ``cupy.RawModule(code=...)`` adds ``-ftz=true``, which takes subnormal numbers of float32 for zero:
    a processor does not, and bits would differ.
    """
    known = [one for one in nvrtc.getSupportedArchs() if one <= capability]
    architecture = f"-arch=sm_{capability}" if capability in known else f"-arch=compute_{max(known)}"
    program = nvrtc.createProgram(text, "kernel.cu", (), ())
    try:
        nvrtc.compileProgram(program, (*options, architecture))
        return bytes(nvrtc.getCUBIN(program) if capability in known else nvrtc.getPTX(program))
    except nvrtc.NVRTCError as error:
        raise BackendUnavailable(f"NVRTC does not compile a kernel ({nvrtc.getProgramLog(program)})") from error
    finally:
        nvrtc.destroyProgram(program)


@dataclass(frozen=True)
class CudaDevice(Device):
    """A GPU by its number, through CuPy."""

    number: int
    name: str

    @contextmanager
    def current(self) -> Iterator[None]:
        with _explained(self.name), _cupy().cuda.Device(self.number):
            yield

    def array(self, values: Any) -> Any:
        return _cupy().ascontiguousarray(_cupy().asarray(values))

    def full(self, shape: tuple[int, ...], value: Any, dtype: Any) -> Any:
        return _cupy().full(shape, value, dtype=dtype)

    def launch(
        self,
        text: str,
        kernel: str,
        *,
        options: Sequence[str],
        blocks: int,
        threads: int,
        arguments: Sequence[Any],
        wait: bool = True,
    ) -> None:
        with _explained(self.name):
            _kernel(self.number, text, kernel, tuple(options))((blocks,), (threads,), tuple(arguments))
        if wait:
            self.wait()

    def wait(self) -> None:
        with _explained(self.name):
            _cupy().cuda.get_current_stream().synchronize()

    def memory(self) -> int:
        with self.current():
            return int(_cupy().cuda.runtime.memGetInfo()[0]) + int(_cupy().get_default_memory_pool().free_bytes())


class _explained(AbstractContextManager):  # noqa: N801 - it reads as a verb where it is used
    """Say in words, by CUDA's number, why a device does not do its work: lost, a refused kernel, or no room for it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        cuda = _cupy().cuda
        number = None
        if isinstance(error, cuda.memory.OutOfMemoryError):
            number = int(CudaError.MemoryAllocation)
        elif isinstance(error, (cuda.runtime.CUDARuntimeError, cuda.driver.CUDADriverError)):
            number = int(error.status)
        if number is not None:
            raise in_words(f"the GPU {self.name}", number, error) from error


def gpus() -> tuple[Device, ...]:
    """Return the GPUs that CuPy sees, one at least (CUDA_VISIBLE_DEVICES chooses among them).

    Raises BackendUnavailable if CuPy, the driver or a device is missing, and says which.
    """
    cupy = _cupy()
    runtime = cupy.cuda.runtime
    try:
        count = int(runtime.getDeviceCount())
    except runtime.CUDARuntimeError as error:
        if error.status != CudaError.NoDevice:
            raise BackendUnavailable(
                f"CuPy is installed, but the NVIDIA driver is missing or too old for it ({error}); install a driver, "
                f"or the CuPy that fits the one that is there: {INSTALL}; {INSTEAD}"
            ) from error
        count = 0
    if not count:
        raise BackendUnavailable(
            f"CuPy and the NVIDIA driver are there, but no device: none is plugged in, or CUDA_VISIBLE_DEVICES hides "
            f"them; {INSTEAD}"
        )
    names = [runtime.getDeviceProperties(k)["name"] for k in range(count)]
    return tuple(CudaDevice(k, one.decode() if isinstance(one, bytes) else str(one)) for k, one in enumerate(names))
