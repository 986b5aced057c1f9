"""Named arrays in one file whose bytes depend on nothing but the arrays."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from upath import UPath

from sopilot_assets.errors import StoreError
from sopilot_assets.store.publish import local_path, publish_bytes
from sopilot_assets.store.shared import at_hand

_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)


def arrays_bytes(arrays: Mapping[str, npt.NDArray[np.generic]]) -> bytes:
    """The ``.npz`` of the arrays, uncompressed, in the mapping's order, without dates."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, np.ascontiguousarray(array) if array.ndim else array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _ZIP_DATE), member.getvalue())
    return buffer.getvalue()


def save_arrays(path: Path | UPath, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
    """Publish the arrays as an ``.npz``; equal arrays give identical bytes."""
    publish_bytes(path, arrays_bytes(arrays))


def load_arrays(path: Path | UPath, *, what: str, remedy: str) -> dict[str, npt.NDArray[np.generic]]:
    """The arrays stored at ``path``; `StoreError` naming ``what`` was expected there and the ``remedy``
    when it is missing or damaged.
    """
    local = at_hand(local_path(path))
    try:
        # a stream of our own: np.load does not close the file when it turns out to be damaged
        with local.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError as error:
        raise StoreError(f"{local}: expected {what}, found no file. {remedy}") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise StoreError(
            f"{local}: expected {what}, found a damaged file ({error}). Delete it; {remedy}"
        ) from error
