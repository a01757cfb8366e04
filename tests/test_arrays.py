"""GPUs through CuPy: what is missing is said, and nothing is taken in its place. CuPy itself is stood in for here."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import fpsde
from fpsde import arrays
from fpsde.cli import main
from fpsde.errors import BackendUnavailable


class CUDARuntimeError(RuntimeError):
    def __init__(self, status):
        super().__init__(f"cudaError {status}")
        self.status = status


class CUDADriverError(RuntimeError):
    def __init__(self, status):
        super().__init__(f"CUDA_ERROR {status}")
        self.status = status


class OutOfMemoryError(MemoryError):
    pass


class NVRTCError(RuntimeError):
    pass


class Nvrtc:
    """CUDA's compiler as CuPy has it, which writes down what it was asked for; text with ``wrong`` in it is refused."""

    NVRTCError = NVRTCError

    def __init__(self):
        self.asked, self.open = [], 0

    def getVersion(self):  # noqa: N802
        return 13, 0

    def getSupportedArchs(self):  # noqa: N802
        return 75, 80, 90

    def createProgram(self, text, name, headers, names):  # noqa: N802
        self.open += 1
        return text

    def compileProgram(self, text, options):  # noqa: N802
        self.asked.append((text, options))
        if "wrong" in text:
            raise NVRTCError

    def getCUBIN(self, text):  # noqa: N802
        return f"cubin of {text}".encode()

    def getPTX(self, text):  # noqa: N802
        return f"ptx of {text}".encode()

    def getProgramLog(self, text):  # noqa: N802
        return "line 1: what is that?"

    def destroyProgram(self, text):  # noqa: N802
        self.open -= 1


def cupy_with(*, status=0, names=()):
    """Return a module that says of devices what CuPy says."""

    def count():
        if status:
            raise CUDARuntimeError(status)
        return len(names)

    runtime = SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError, getDeviceCount=count, getDeviceProperties=lambda k: {"name": names[k]}
    )
    stream = SimpleNamespace(synchronize=lambda: None)
    cuda = SimpleNamespace(
        runtime=runtime,
        driver=SimpleNamespace(CUDADriverError=CUDADriverError),
        memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        get_current_stream=lambda: stream,
        Device=lambda number: nullcontext(SimpleNamespace(compute_capability="90")),
        nvrtc=Nvrtc(),
    )
    module = ModuleType("cupy")
    module.__spec__ = importlib.util.spec_from_loader("cupy", None)
    module.cuda = cuda
    return module


@pytest.fixture
def cupy(monkeypatch):
    arrays._kernel.cache_clear()
    yield lambda **has: monkeypatch.setitem(sys.modules, "cupy", cupy_with(**has))
    arrays._kernel.cache_clear()


def run_on_gpu():
    return fpsde.simulate(
        fpsde.brownian(), fpsde.euler_maruyama, x0=0.0, t_end=1.0, dt=0.5, n_particles=8, seed=1,
        backend=fpsde.Backend.GPU,
    )  # fmt: skip


def test_a_missing_cupy_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # as where it is not installed
    monkeypatch.setattr(arrays.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendUnavailable, match=r"CuPy, which is not installed: pip install 'fpsde\[cuda13\]'"):
        run_on_gpu()


@pytest.mark.parametrize("command", ["verify", "simulate"])
def test_a_command_says_what_is_missing_and_exits_with_two(command, cupy, capsys):
    cupy(status=35)
    assert main([command, "ornstein_uhlenbeck", "--backend", "gpu", "--t-end", "1", "--dt", "0.1"]) == 2
    shown = capsys.readouterr()
    assert "the NVIDIA driver is missing or too old" in shown.err and shown.out == ""


def test_a_cupy_that_cannot_be_loaded_is_told_from_a_missing_one(monkeypatch):
    monkeypatch.setattr(arrays.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendUnavailable, match="CuPy is installed but cannot be loaded"):
        run_on_gpu()


@pytest.mark.parametrize(
    ("has", "words"),
    [
        ({"status": 35}, "NVIDIA driver is missing or too old"),
        ({"status": 100}, "the NVIDIA driver are there, but no device"),
        ({}, "no device: none is plugged in, or CUDA_VISIBLE_DEVICES hides"),
    ],
)
def test_a_missing_driver_is_told_from_a_missing_device(has, words, cupy):
    cupy(**has)
    with pytest.raises(BackendUnavailable, match=f"{words}.*the CPU is not taken in its place"):
        run_on_gpu()


def test_every_visible_device_is_found(cupy):
    cupy(names=(b"NVIDIA H200", "other"))
    assert [(one.number, one.name) for one in arrays.gpus()] == [(0, "NVIDIA H200"), (1, "other")]


def test_arrays_are_made_and_memory_is_read_on_the_device_by_its_number(cupy):
    entered = []
    cupy(names=("one", "other"))
    module, other = sys.modules["cupy"], arrays.gpus()[1]

    @contextmanager
    def device(number):
        entered.append(number)
        yield

    module.cuda.Device = device
    module.cuda.runtime.memGetInfo = lambda: (500, 1000)
    module.get_default_memory_pool = lambda: SimpleNamespace(free_bytes=lambda: 7)
    module.asarray, module.ascontiguousarray, module.full = np.asarray, np.ascontiguousarray, np.full
    assert other.memory() == 507 and entered == [1]
    with other.current():
        assert other.array(np.arange(6).reshape(2, 3).T).flags.c_contiguous
        np.testing.assert_array_equal(other.full((2, 1), 0.5, np.float32), np.full((2, 1), 0.5, np.float32))
    assert entered == [1, 1]


@pytest.fixture
def launched(cupy, tmp_path, monkeypatch):
    """Return a function that launches ``kernel`` in a new process; it returns the compiler and what was read."""
    monkeypatch.setenv("FPSDE_CACHE_DIR", str(tmp_path))

    def launch(kernel, *, text="text", options=("--fmad=false",), capability="90"):
        cupy(names=("card",))
        module, read = sys.modules["cupy"], []
        module.cuda.Device = lambda number: SimpleNamespace(compute_capability=capability)

        def of_file(*, path):
            read.append(Path(path).read_bytes())
            return SimpleNamespace(get_function=lambda name: kernel)

        module.RawModule = of_file
        arrays._kernel.cache_clear()  # as in a new process
        arrays.gpus()[0].launch(text, "name", options=options, blocks=3, threads=128, arguments=(1, 2))
        return module.cuda.nvrtc, read

    return launch


def nothing(*given):
    return None


def test_a_launch_compiles_the_text_with_its_options_and_passes_its_arguments(launched):
    """Without -ftz=true, which CuPy's own way from text to kernel adds."""
    seen = []
    nvrtc, read = launched(lambda *given: seen.append(given))
    assert nvrtc.asked == [("text", ("--fmad=false", "-arch=sm_90"))] and nvrtc.open == 0
    assert read == [b"cubin of text"]
    assert seen == [((3,), (128,), (1, 2))]


def test_kernels_are_kept_on_disk_for_each_text_option_and_kind_of_device(launched):
    first = launched(nothing)
    assert len(first[0].asked) == 1
    again, read = launched(nothing)
    assert again.asked == [] and read == [b"cubin of text"]
    for other in ({"text": "more"}, {"options": ("--fmad=true",)}, {"capability": "80"}):
        assert len(launched(nothing, **other)[0].asked) == 1
        assert launched(nothing, **other)[0].asked == []


def test_a_device_newer_than_the_compiler_gets_ptx_for_the_newest_that_it_knows(launched):
    nvrtc, read = launched(nothing, capability="120")
    assert nvrtc.asked[0][1][-1] == "-arch=compute_90" and read == [b"ptx of text"]


def test_what_the_compiler_does_not_take_is_said_with_its_words(launched, tmp_path):
    with pytest.raises(BackendUnavailable, match=r"NVRTC does not compile a kernel \(line 1: what is that"):
        launched(nothing, text="wrong")
    assert sys.modules["cupy"].cuda.nvrtc.open == 0 and not list(tmp_path.rglob("*.cubin"))


def test_a_missing_compiler_is_named_with_what_to_install(launched, monkeypatch):
    def missing(self):
        raise RuntimeError("failed to load libnvrtc.so.13")

    monkeypatch.setattr(Nvrtc, "getVersion", missing)
    with pytest.raises(BackendUnavailable, match=r"NVRTC, CUDA's compiler \(failed to load.*fpsde\[cuda13\]"):
        launched(nothing)


def test_kernels_that_cannot_be_written_are_an_error_that_says_where(launched, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FPSDE_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(BackendUnavailable, match=r"generated into .*file/kernels, which cannot be made"):
        launched(nothing)


@pytest.mark.parametrize("of", [CUDARuntimeError, CUDADriverError])
@pytest.mark.parametrize(
    ("statuses", "kind", "words"),
    [
        ((46, 214, 700, 702, 719, 999), BackendUnavailable, "card was lost in mid-run .*in `finished` of this error"),
        ((1, 98, 200, 209, 222, 701), BackendUnavailable, "driver of the GPU card refuses a kernel .*is not lost"),
        ((2,), fpsde.InvalidInput, "card has no memory left .*a smaller shard_size"),
        ((4321,), BackendUnavailable, "card failed with an error that fpsde does not know"),
    ],
)
def test_what_a_launch_meets_is_told_apart_by_its_number(of, statuses, kind, words, launched, tmp_path):
    """A kernel that the driver refuses leaves the device as it was; one that it ends takes the device along."""
    for status in statuses:

        def failing(*given, status=status):
            raise of(status)

        with pytest.raises(kind, match=words) as raised:
            launched(failing)
        assert f"{status})" in str(raised.value)
        assert (str(tmp_path) in str(raised.value)) == ("refuses" in words)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (CUDARuntimeError(719), BackendUnavailable, "card was lost in mid-run"),
        (
            OutOfMemoryError("4 GB"),
            fpsde.InvalidInput,
            r"card has no memory left .*\(4 GB\); pass a smaller shard_size",
        ),
        (CUDARuntimeError(3), BackendUnavailable, r'forked off one that uses CUDA .*get_context\("spawn"\)'),
        (ValueError("of a network"), ValueError, "of a network"),
    ],
)
def test_what_array_code_meets_on_a_device_is_said_in_words(error, kind, words, cupy):
    """The functions of a black box use CuPy by themselves; their own errors pass through."""
    cupy(names=("card",))
    with pytest.raises(kind, match=words), arrays.gpus()[0].current():
        raise error


def test_an_array_of_the_host_is_itself_and_one_of_a_device_is_copied():
    x = np.arange(3)
    assert arrays.host(x) is x
    assert arrays.host(SimpleNamespace(get=lambda: x)) is x


class OnCuda:
    """An array of CUDA that is not CuPy's own."""

    __cuda_array_interface__ = {"version": 3}  # noqa: RUF012 - as the protocol has it


class ByDlpack:
    """An array that speaks DLPack alone."""

    def __init__(self, values, kind=1):
        self.values, self.kind = values, kind

    def __dlpack__(self, **given):
        return self.values.__dlpack__(**given)

    def __dlpack_device__(self):
        return self.kind, 0


def test_arrays_of_devices_and_of_other_libraries_are_brought_to_the_host(cupy):
    x = np.array([[0.5, -0.25]])
    cupy(names=("card",))
    sys.modules["cupy"].asarray = lambda array: SimpleNamespace(get=lambda: x)
    sys.modules["cupy"].from_dlpack = lambda array: SimpleNamespace(get=lambda: array.values)
    own = SimpleNamespace(__cuda_array_interface__={}, get=lambda: x)
    for given in (x, own, OnCuda(), ByDlpack(x), ByDlpack(x, kind=2), ByDlpack(x, kind=13)):
        np.testing.assert_array_equal(arrays.brought("x0", given), x)
        run = fpsde.simulate(
            fpsde.brownian(0.0, 1e-12), fpsde.euler_maruyama, x0=given, t_end=1.0, dt=1.0, n_particles=2, seed=1
        )
        np.testing.assert_allclose(run.x, x, atol=1e-10)


def test_each_component_may_lie_on_a_device_of_its_own(cupy):
    x = np.array([0.5, -0.25])
    cupy(names=("one", "other"))
    on_device = SimpleNamespace(__cuda_array_interface__={}, get=lambda: x)
    for given in ((on_device, ByDlpack(x)), [on_device, x]):
        found = arrays.brought("x0", given)
        assert type(found) is type(given)
        np.testing.assert_array_equal(found, [x, x])


def test_what_numpy_reads_is_left_as_it_is():
    for given in (0.5, [1.0, 2.0], fpsde.Normal(0.0, 1.0), np.float32(1.0)):
        assert arrays.brought("x0", given) is given


def test_an_array_on_a_device_that_nobody_reads_is_refused():
    with pytest.raises(fpsde.InvalidInput, match="x0 lies on a device of DLPack's kind 4; give an array of the host"):
        arrays.brought("x0", ByDlpack(np.zeros(2), kind=4))


class WithGrad:
    """What a tensor of Torch that requires grad does."""

    requires_grad = True

    @property
    def __cuda_array_interface__(self):
        raise RuntimeError("Can't get __cuda_array_interface__ on Variable that requires grad")

    def __array__(self, *given, **more):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad")


def test_a_tensor_that_requires_grad_is_refused_with_what_to_do():
    for given in (WithGrad(), [WithGrad(), 0.5]):
        with pytest.raises(fpsde.InvalidInput, match=r"x0 is a tensor that requires grad.*give x0\.detach\(\)"):
            arrays.brought("x0", given)
    assert not arrays.on_device(WithGrad())
    with pytest.raises(fpsde.InvalidInput, match=r"params\['temperature'\] is no array of the host \(Can't call numpy"):
        fpsde.simulate_batch(
            fpsde.double_well(), fpsde.euler_maruyama, params={"temperature": WithGrad()}, x0=0.0, t_end=1.0, dt=1.0,
            n_particles=1, seed=1,
        )  # fmt: skip


def test_tensors_of_torch_are_read_and_those_that_require_grad_are_not():
    torch = pytest.importorskip("torch")
    x = torch.tensor([0.5, -0.25], dtype=torch.float64)
    np.testing.assert_array_equal(np.asarray(arrays.brought("x0", x)), [0.5, -0.25])
    with pytest.raises(fpsde.InvalidInput, match=r"give x0\.detach\(\)"):
        arrays.brought("x0", x.requires_grad_())


def test_a_sampler_may_draw_on_a_device():
    drawn = fpsde.Sampler(lambda u: SimpleNamespace(__cuda_array_interface__={}, get=lambda: u[0]))
    same = fpsde.Sampler(lambda u: u[0])
    given = dict(t_end=1.0, dt=1.0, n_particles=5, seed=1)
    runs = [fpsde.simulate(fpsde.brownian(), fpsde.euler_maruyama, x0=x0, **given).x for x0 in (drawn, same)]
    np.testing.assert_array_equal(*runs)
