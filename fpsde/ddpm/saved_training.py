"""A training on disk: one file, arrays and JSON, nothing pickled, written whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fpsde.arrays import host, module_of
from fpsde.ddpm.adam import AdamState
from fpsde.ddpm.batches import Batches
from fpsde.ddpm.denoiser import Denoiser, Scaling
from fpsde.ddpm.energy_network import EnergyNetwork
from fpsde.ddpm.looks import Looks
from fpsde.ddpm.network import Network, NetworkShape
from fpsde.errors import BackendUnavailable, InvalidInput
from fpsde.processes.noise_schedules import NoiseSchedule
from fpsde.writing import put_whole, refuse_unwritable

ARRAYS = ("parameters", "mean", "square", "averaged")


@dataclass(frozen=True, eq=False)
class SavedTraining:
    """The file of a training, and what tells this training from another one, by name."""

    path: Path
    marks: dict[str, Any]

    @staticmethod
    def of(
        path: Path | str | None, start: Network, batches: Batches, *, rate: float, look: int
    ) -> SavedTraining | None:
        """Return the file at a path; None where there is no path."""
        if path is None:
            return None
        if not isinstance(path, (str, os.PathLike)):
            raise InvalidInput(f"checkpoint={path!r}; give the path of a file")
        refuse_unwritable([path])
        drawn = batches.drawn(0, 1, start)[0]
        marks = {
            "shape": asdict(start.shape),
            "energy": isinstance(start, EnergyNetwork),
            "dtype": str(start.parameters.dtype),
            "network": _hash(start.parameters),
            "schedule": _hash(batches.schedule.log_alpha_bars, batches.schedule.scales),
            "sigmas": [float(batches.schedule.sigmas[1]), float(batches.schedule.sigmas[-1])],
            "weights": _hash(batches.weights),
            "batch": batches.size,
            "seed": batches.seed,
            "rate": rate,
            "look": look,
            "scaling": [batches.scaling.mean.tolist(), batches.scaling.std],
            "data": _hash(*drawn),
        }
        return SavedTraining(Path(path), marks)

    def save(self, state: AdamState, looks: Looks) -> None:
        """Write the file."""
        arrays = {name: host(getattr(state, name)) for name in ARRAYS} | asdict(looks)
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, marks=np.array(json.dumps(self.marks)), **arrays)
        put_whole(self.path, buffer.getvalue())

    def loaded(self, start: Network) -> tuple[AdamState, Looks]:
        """Return state and looks of the file, or of a training that begins where there is none.

        Raises InvalidInput for the file of another training, saying what differs, and for one that is damaged.
        """
        if not self.path.exists():
            return AdamState.begun(start.parameters), Looks.none()
        there, arrays = _read(self.path)
        differing = [name for name, mine in self.marks.items() if there.get(name) != mine]
        other = [f"{name} ({there.get(name)} there, {self.marks[name]} here)" for name in differing]
        if other:
            raise InvalidInput(
                f"{self.path} is the checkpoint of another training, which differs in {', '.join(other)}; give the "
                "same arguments to go on, or name another file"
            )
        xp = module_of(start.parameters)
        state = AdamState(*(xp.asarray(arrays[name]) for name in ARRAYS))
        return state, Looks(arrays["steps"], arrays["losses"], arrays["excesses"])


def saved_denoiser(path: Path | str, schedule: NoiseSchedule) -> Denoiser:
    """Return the averaged network in the checkpoint of a training, to be asked at the levels of a schedule.

    Raises InvalidInput for a file that is no checkpoint or damaged, and for a schedule with noisier or less noisy
    levels than those that it was trained on; BackendUnavailable for one that cannot be read.
    """
    marks, arrays = _read(Path(path))
    least, most = marks["sigmas"]
    sigmas = schedule.sigmas[1:]
    if sigmas[0] < least or sigmas[-1] > most:
        raise InvalidInput(
            f"{path} was trained between the levels sigma={least:.4g} and {most:.4g}; the schedule goes from "
            f"{sigmas[0]:.4g} to {sigmas[-1]:.4g}"
        )
    mean, std = marks["scaling"]
    kind = EnergyNetwork if marks["energy"] else Network
    return Denoiser(kind(NetworkShape(**marks["shape"]), arrays["averaged"]), Scaling(np.array(mean), std))


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return marks and arrays of a file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BackendUnavailable(f"{path} cannot be read ({error}); name another file") from error
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = dict(file)
        return dict(json.loads(str(arrays["marks"]))), arrays
    except (ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidInput(
            f"{path} is no checkpoint of a training, or damaged; delete it or name another file"
        ) from error


def _hash(*arrays: Any) -> str:
    """Return a hash of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(host(array)).tobytes())
    return digest.hexdigest()[:16]
