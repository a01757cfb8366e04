"""A device without a GPU: the CUDA text that runs on one, compiled by g++ behind a shim, on arrays of its own.

Its arrays refuse to be taken for NumPy arrays, as CuPy's do. What is equal here is the text, not the device.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
import shutil
import subprocess
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fpsde.arrays import Device
from fpsde.errors import BackendUnavailable
from fpsde.integrators import gpu_machine

SHIM = Path(__file__).with_name("shim.h")
WARNINGS = ("-Wall", "-Werror", "-Wno-unused-function", "-Wno-unused-variable", "-Wno-unknown-pragmas")
#: Without an effort to be fast: the runs are so short that most of their time goes into compiling.
FLAGS = ("-O0", "-std=c++17", *WARNINGS)
NEEDS_COMPILER = "g++ is needed to run the CUDA text without a GPU"


def compiler_is_missing() -> bool:
    return shutil.which("g++") is None


class DeviceArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of the emulated device: operators and NumPy functions work on it, but not together with the host's."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    shape = property(lambda self: self.values.shape)
    dtype = property(lambda self: self.values.dtype)
    size = property(lambda self: self.values.size)
    ndim = property(lambda self: self.values.ndim)
    nbytes = property(lambda self: self.values.nbytes)
    T = property(lambda self: DeviceArray(self.values.T))
    __cuda_array_interface__ = property(lambda self: self.values.__array_interface__)

    def get(self) -> np.ndarray:
        return self.values.copy()

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("implicit conversion to a NumPy array; read it with fpsde.arrays.host")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        if method != "__call__" and ufunc not in (np.add, np.multiply):
            raise NotImplementedError(f"CuPy has no {ufunc.__name__}.{method}")
        given = {} if out is None else {"out": tuple(bare(one) for one in out)}
        with np.errstate(all="ignore"):  # a device does not warn
            return dressed(getattr(ufunc, method)(*(bare(one) for one in inputs), **given, **kwargs))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is np.asarray:  # with like=, which says that it is to be brought here
            return dressed(np.array(bare(args[0]) if isinstance(args[0], DeviceArray) else args[0], **kwargs))
        if function is np.where and not isinstance(args[0], DeviceArray):
            raise TypeError("the condition of where() has to be an array of the device")
        return dressed(function(*(bare(one) for one in args), **{name: bare(v) for name, v in kwargs.items()}))

    def __getitem__(self, key: Any) -> Any:
        return dressed(self.values[_index(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self.values[_index(key)] = bare(value)

    def __len__(self) -> int:
        return len(self.values)

    def __int__(self) -> int:
        return int(self.values)

    def __float__(self) -> float:
        return float(self.values)

    def __index__(self) -> int:
        return int(self.values)

    def __bool__(self) -> bool:
        return bool(self.values)

    def __iter__(self) -> Any:
        return (dressed(one) for one in self.values)

    def sum(self, axis: Any = None) -> Any:
        return dressed(self.values.sum(axis=axis))

    def max(self, axis: Any = None) -> Any:
        return dressed(self.values.max(axis=axis))

    def min(self, axis: Any = None) -> Any:
        return dressed(self.values.min(axis=axis))

    def copy(self) -> Any:
        return DeviceArray(self.values.copy())

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        return DeviceArray(self.values.astype(dtype, copy=copy))

    def reshape(self, *shape: Any) -> Any:
        return DeviceArray(self.values.reshape(*shape))


def _index(key: Any) -> Any:
    """Return an index with arrays of the device bare; lists may be indices too, arrays of the host may not."""
    return tuple(_index(one) for one in key) if isinstance(key, tuple) else bare(key)


def bare(value: Any) -> Any:
    """Return what stands in an operation with arrays of the device; arrays of the host are refused."""
    if isinstance(value, DeviceArray):
        return value.values
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("an array of the host in an operation with one of the device")
    if isinstance(value, (list, tuple)):
        return type(value)(bare(one) for one in value)
    return value


def dressed(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return DeviceArray(np.asarray(value))
    return type(value)(dressed(one) for one in value) if isinstance(value, (list, tuple)) else value


def losing(monkeypatch: Any, after: int, *, name: str | None = None, arrays_too: bool = True) -> None:
    """Have the device of a name, or any, be lost after so many launches, and with it what lies in its arrays."""
    launch, calls = EmulatedGpu.launch, []

    def lost(device: EmulatedGpu, *given: Any, **more: Any) -> None:
        if name in (None, device.name):
            calls.append(1)
        if len(calls) > after and name in (None, device.name):
            if arrays_too:
                monkeypatch.setattr(DeviceArray, "get", gone)
            raise BackendUnavailable("the GPU was lost in mid-run")
        launch(device, *given, **more)

    def gone(array: DeviceArray) -> Any:
        raise RuntimeError("cudaErrorLaunchFailure")

    monkeypatch.setattr(gpu_machine.time, "perf_counter", lambda: 0.0)  # so that launches grow at once
    monkeypatch.setattr(EmulatedGpu, "launch", lost)


class DeviceModule:
    """NumPy as a module of the device: what makes arrays makes its arrays, other functions find them by themselves."""

    makers = ("asarray", "zeros", "empty", "full", "ones")

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if name not in self.makers:
            return function
        return lambda *given, **more: dressed(function(*given, **more))


@cache
def built(text: str, folder: Path, flags: tuple[str, ...] = FLAGS) -> ctypes.CDLL:
    """Return C++ text behind the shim as a library."""
    name = folder / hashlib.sha256((text + SHIM.read_text() + str(flags)).encode()).hexdigest()[:24]
    name.with_suffix(".cpp").write_text(f'#include "{SHIM}"\n{text}')
    subprocess.run(
        ["g++", *flags, "-shared", "-fPIC", "-o", name.with_suffix(".so"), name.with_suffix(".cpp")], check=True
    )
    return ctypes.CDLL(str(name.with_suffix(".so")))


def _launcher(name: str) -> str:
    return (
        f'extern "C" int launch_{name}(unsigned blocks, unsigned threads, void** arguments) '
        f"{{ return launch({name}, blocks, threads, arguments); }}\n"
    )


@cache
def unit(texts: tuple[str, ...]) -> str:
    """Return several programs as one translation unit: each in a namespace, its kernels under names of their own."""
    return "".join(f"namespace program_{k} {{\n{_numbered(text, k)}}}\n" for k, text in enumerate(texts))


def _numbered(text: str, k: int) -> str:
    names = re.findall(r"__global__ void (?:__launch_bounds__\([\d, ]*\) )?(\w+)\(", text)
    for name in names:
        text = re.sub(rf"\b{name}\b", f"{name}_{k}", text)
    return text + "".join(_launcher(f"{name}_{k}") for name in names)


@dataclass(frozen=True)
class EmulatedGpu(Device):
    """The host as a device; ``together`` are programs that are compiled at once."""

    folder: Path
    name: str = "emulated"
    bytes_free: int = 2**30
    together: tuple[str, ...] = ()
    launches: ClassVar[list[tuple[str, int]]] = []  #: (device, blocks of threads) of each launch

    def current(self) -> Any:
        return nullcontext()

    def array(self, values: Any) -> Any:
        if isinstance(values, DeviceArray):
            return values if values.values.flags.c_contiguous else DeviceArray(np.ascontiguousarray(values.values))
        return DeviceArray(np.array(values, order="C"))

    def full(self, shape: tuple[int, ...], value: Any, dtype: Any) -> Any:
        return DeviceArray(np.full(shape, value, dtype))

    def launch(
        self, text: str, kernel: str, *, options: Any, blocks: int, threads: int, arguments: Any, wait: bool = True
    ) -> None:
        assert f"{kernel}(" in text
        texts = self.together if text in self.together else (text,)
        fused = ("-O2", "-mfma", "-ffp-contract=fast") if "--fmad=true" in options else ("-ffp-contract=off",)
        library = built(unit(texts), self.folder, (*FLAGS, *fused))
        held = [one.values if isinstance(one, DeviceArray) else np.asarray(one) for one in arguments]
        assert all(a.flags.c_contiguous for a in held)
        # a scalar is handed over by its address, an array by the address of its pointer, as to cuLaunchKernel
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in held]
        addresses = [
            ctypes.cast(ctypes.byref(p), ctypes.c_void_p) if isinstance(one, DeviceArray) else p
            for one, p in zip(arguments, pointers, strict=True)
        ]
        array = (ctypes.c_void_p * len(addresses))(*addresses)
        apart = library[f"launch_{kernel}_{texts.index(text)}"](ctypes.c_uint(blocks), ctypes.c_uint(threads), array)
        assert apart == 0, "the threads of a warp did not take part in the same shuffles"
        self.launches.append((self.name, blocks))

    def wait(self) -> None:
        """What is begun here is done at once."""

    def memory(self) -> int:
        return self.bytes_free
