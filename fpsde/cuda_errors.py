"""What CUDA's error numbers mean for a run, and what to do about them."""

from __future__ import annotations

import enum

from fpsde.errors import BackendUnavailable, FpsdeError, InvalidInput
from fpsde.generated import cache_directory

INSTALL = "pip install 'fpsde[cuda13]' (or 'fpsde[cuda12]' for a driver of CUDA 12)"
INSTEAD = "the CPU is not taken in its place: leave the backend out to run there"


class CudaError(enum.IntEnum):
    """The errors that are told apart, as ``cudaError`` of ``driver_types.h`` names and numbers them (CUDA 13.0).

    The driver's own numbers (``CUresult`` of ``cuda.h``) are the same for all but 9 and 98, which it does not have.
    """

    InvalidValue = 1
    MemoryAllocation = 2
    InitializationError = 3  #: also in a process that was forked off one that uses CUDA
    InvalidConfiguration = 9
    DevicesUnavailable = 46
    InvalidDeviceFunction = 98
    NoDevice = 100
    InvalidDevice = 101
    InvalidKernelImage = 200
    DeviceUninitialized = 201
    NoKernelImageForDevice = 209
    ECCUncorrectable = 214
    InvalidPtx = 218
    NvlinkUncorrectable = 220
    JitCompilerNotFound = 221
    UnsupportedPtxVersion = 222
    JitCompilationDisabled = 223
    Contained = 226
    SymbolNotFound = 500
    IllegalAddress = 700
    LaunchOutOfResources = 701
    LaunchTimeout = 702
    ContextIsDestroyed = 709
    Assert = 710
    HardwareStackError = 714
    IllegalInstruction = 715
    MisalignedAddress = 716
    InvalidAddressSpace = 717
    InvalidPc = 718
    LaunchFailure = 719
    CooperativeLaunchTooLarge = 720
    TensorMemoryLeak = 721
    Unknown = 999


#: What a driver refuses before anything runs, after which the device works on: sizes of a launch, a function or symbol
#: that is not there, an image or PTX that it does not read, or not for this device, more registers than there are.
REFUSED = frozenset(
    {
        CudaError.InvalidValue,
        CudaError.InvalidConfiguration,
        CudaError.InvalidDeviceFunction,
        CudaError.InvalidKernelImage,
        CudaError.NoKernelImageForDevice,
        CudaError.InvalidPtx,
        CudaError.JitCompilerNotFound,
        CudaError.UnsupportedPtxVersion,
        CudaError.JitCompilationDisabled,
        CudaError.SymbolNotFound,
        CudaError.LaunchOutOfResources,
        CudaError.CooperativeLaunchTooLarge,
    }
)
#: After these nothing that lies on the device can be read by this process: it is away or taken, its memory or link
#: failed, a kernel was ended, nobody knows.
LOST = frozenset(
    {
        CudaError.DevicesUnavailable,
        CudaError.InvalidDevice,
        CudaError.DeviceUninitialized,
        CudaError.ContextIsDestroyed,
        CudaError.ECCUncorrectable,
        CudaError.NvlinkUncorrectable,
        CudaError.Contained,
        CudaError.IllegalAddress,
        CudaError.LaunchTimeout,
        CudaError.Assert,
        CudaError.HardwareStackError,
        CudaError.IllegalInstruction,
        CudaError.MisalignedAddress,
        CudaError.InvalidAddressSpace,
        CudaError.InvalidPc,
        CudaError.LaunchFailure,
        CudaError.TensorMemoryLeak,
        CudaError.Unknown,
    }
)
_KEPT = (
    "what a run had finished is in `finished` of this error, None where that is nothing, and in its checkpoint where "
    "it has one: run the rest in a new process"
)


def in_words(gpu: str, number: int, error: Exception) -> FpsdeError:
    """Return what one of CUDA's numbers means for a run, and what to do."""
    if number == CudaError.MemoryAllocation:
        return InvalidInput(
            f"{gpu} has no memory left for what goes through it together ({error}); pass a smaller shard_size (no bit "
            "depends on it), or take fewer particles, snapshots or bins"
        )
    if number == CudaError.InitializationError:
        return BackendUnavailable(
            f"{gpu} cannot be used in a process that was forked off one that uses CUDA ({error}); "
            'give ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"))'
        )
    if number in REFUSED:
        return BackendUnavailable(
            f"the driver of {gpu} refuses a kernel ({error}); the device is not lost. Empty {cache_directory()}, where "
            f"kernels are kept, install the CuPy that fits the driver: {INSTALL}, or take another device; {INSTEAD}"
        )
    if number in LOST:
        return BackendUnavailable(f"{gpu} was lost in mid-run ({error}); {_KEPT}, on this device or on another one")
    return BackendUnavailable(f"{gpu} failed with an error that fpsde does not know ({error}); {_KEPT}")
