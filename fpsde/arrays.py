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

from fpsde.errors import BackendUnavailable, FpsdeError, InvalidInput
from fpsde.generated import cache_directory, kept

_INSTALL = "pip install 'fpsde[cuda13]' (or 'fpsde[cuda12]' for a driver of CUDA 12)"
_INSTEAD = "the CPU is not taken in its place: leave the backend out to run there"
#: What strict and fast text is compiled with. Strict: each operation is rounded by itself, as on the CPU.
STRICT, FAST = ("-std=c++17", "--fmad=false"), ("-std=c++17", "--fmad=true")
#: CUDA's numbers for a machine whose driver finds no device, and for a process that was forked off one that uses CUDA.
NO_DEVICE, FORKED = 100, 3
#: A device without room (``cudaErrorMemoryAllocation``; the driver's number is the same, as all from 100 on are).
NO_ROOM = 2
#: What a driver refuses before anything runs, after which the device works on: a launch of these sizes (1, 9, 720), a
#: function or symbol that is not there (98, 500), an image or PTX that it does not read, or not for this device (200,
#: 209, 218, 221, 222, 223), more registers than there are (701).
REFUSED = frozenset({1, 9, 98, 200, 209, 218, 221, 222, 223, 500, 701, 720})
#: After these nothing that lies on the device can be read by this process: it is away or taken (46, 101, 201, 709), its
#: memory or link failed (214, 220, 226), a kernel was ended (700, 702, 710, 714 .. 719, 721), nobody knows (999).
LOST = frozenset({46, 101, 201, 214, 220, 226, 700, 702, 709, 710, *range(714, 720), 721, 999})
#: DLPack's kinds of devices (its header, ``DLDeviceType``) whose memory NumPy reads, and the one that CuPy reads.
_DLPACK_HOST, _DLPACK_CUDA = (1, 3), 2


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
    return hasattr(array, "__cuda_array_interface__") and hasattr(array, "__array_function__")


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
    device, BackendUnavailable where CuPy is needed and missing.
    """
    if isinstance(values, (list, tuple)):
        entries = [brought(name, one) for one in values]
        same = all(one is given for one, given in zip(entries, values, strict=True))
        return values if same else type(values)(entries)
    if hasattr(values, "__cuda_array_interface__"):
        return host(values) if hasattr(values, "get") else host(_cupy().asarray(values))
    if hasattr(values, "__array__") or not hasattr(values, "__dlpack_device__"):
        return values
    kind = int(values.__dlpack_device__()[0])
    if kind in _DLPACK_HOST:
        return np.from_dlpack(values)
    if kind == _DLPACK_CUDA:
        return host(_cupy().from_dlpack(values))
    raise InvalidInput(
        f"{name} lies on a device of DLPack's kind {kind}; give an array of the host or of CUDA (kinds "
        f"{', '.join(map(str, (*_DLPACK_HOST, _DLPACK_CUDA)))})"
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
        raise BackendUnavailable(f"a GPU needs CuPy, which is not installed: {_INSTALL}; {_INSTEAD}")
    try:
        import cupy
    except Exception as error:  # a library of CUDA that it links to, in whatever way that shows
        raise BackendUnavailable(
            f"CuPy is installed but cannot be loaded ({error}); install the one that fits the driver: {_INSTALL}; "
            f"{_INSTEAD}"
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
            f"CuPy does not find NVRTC, CUDA's compiler ({error}); install it with CuPy: {_INSTALL}; {_INSTEAD}"
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
            number = NO_ROOM
        elif isinstance(error, (cuda.runtime.CUDARuntimeError, cuda.driver.CUDADriverError)):
            number = int(error.status)
        if number is not None:
            raise _in_words(f"the GPU {self.name}", number, error) from error


def _in_words(gpu: str, number: int, error: Exception) -> FpsdeError:
    """Return what one of CUDA's numbers means for a run, and what to do."""
    if number == NO_ROOM:
        return InvalidInput(
            f"{gpu} has no memory left for what goes through it together ({error}); pass a smaller shard_size (no bit "
            "depends on it), or take fewer particles, snapshots or bins"
        )
    if number == FORKED:
        return BackendUnavailable(
            f"{gpu} cannot be used in a process that was forked off one that uses CUDA ({error}); "
            'give ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"))'
        )
    if number in REFUSED:
        return BackendUnavailable(
            f"the driver of {gpu} refuses a kernel ({error}); the device is not lost. Empty {cache_directory()}, where "
            f"kernels are kept, install the CuPy that fits the driver: {_INSTALL}, or take another device; {_INSTEAD}"
        )
    if number in LOST:
        return BackendUnavailable(
            f"{gpu} was lost in mid-run ({error}); a checkpoint keeps the shards that are finished: run it again in a "
            "new process, on this device or on another one"
        )
    return BackendUnavailable(
        f"{gpu} failed with an error that fpsde does not know ({error}); run it again in a new process: a checkpoint "
        "keeps the shards that are finished"
    )


def gpus() -> tuple[Device, ...]:
    """Return the GPUs that CuPy sees, one at least (CUDA_VISIBLE_DEVICES chooses among them).

    Raises BackendUnavailable if CuPy, the driver or a device is missing, and says which.
    """
    cupy = _cupy()
    runtime = cupy.cuda.runtime
    try:
        count = int(runtime.getDeviceCount())
    except runtime.CUDARuntimeError as error:
        if error.status != NO_DEVICE:
            raise BackendUnavailable(
                f"CuPy is installed, but the NVIDIA driver is missing or too old for it ({error}); install a driver, "
                f"or the CuPy that fits the one that is there: {_INSTALL}; {_INSTEAD}"
            ) from error
        count = 0
    if not count:
        raise BackendUnavailable(
            f"CuPy and the NVIDIA driver are there, but no device: none is plugged in, or CUDA_VISIBLE_DEVICES hides "
            f"them; {_INSTEAD}"
        )
    names = [runtime.getDeviceProperties(k)["name"] for k in range(count)]
    return tuple(CudaDevice(k, one.decode() if isinstance(one, bytes) else str(one)) for k, one in enumerate(names))
