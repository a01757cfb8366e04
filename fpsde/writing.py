"""Results as files: looked at before anything is computed, written whole, with an error that names the file."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fpsde.errors import BackendUnavailable


def refuse_unwritable(places: Iterable[Path | str | None]) -> None:
    """Raise BackendUnavailable where one of the files could not be written; None and - (standard output) always can."""
    for place in (Path(place) for place in places if place not in (None, "-")):
        new = not place.exists()
        try:
            place.open("ab").close()
        except OSError as error:
            raise BackendUnavailable(f"{place} cannot be written ({error}); name a file that can") from error
        if new:
            place.unlink()


def made_folder(folder: Path) -> Path:
    """Return a folder, made if it is not there; BackendUnavailable if it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackendUnavailable(f"the folder {folder} cannot be made ({error}); name another one") from error
    return folder


def put_bytes(path: Path, content: bytes) -> None:
    """Write a file."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise BackendUnavailable(
            f"{path} cannot be written ({error}); free some space or name another place"
        ) from error


def put_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, whatever stops the program: beside it, and then in its place."""
    beside = None
    try:
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=path.name, suffix=".tmp", delete=False) as file:
            beside = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        if beside is not None:
            beside.unlink(missing_ok=True)  # a part of a file is of no use, and takes the space that is missing
        raise BackendUnavailable(
            f"{path} cannot be written ({error}); free some space or name another place"
        ) from error


def put_json(record: Any, target: Path | str) -> None:
    """Write a record as JSON to a file or, for -, to standard output; arrays become lists."""
    text = json.dumps(record, indent=1, ensure_ascii=False, default=_plain) + "\n"
    if target == "-":
        sys.stdout.write(text)
    else:
        put_bytes(Path(target), text.encode())


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{value!r} has no form in JSON")
