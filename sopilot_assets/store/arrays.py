"""Named arrays in one file whose bytes depend on nothing but the arrays."""

from __future__ import annotations

import functools
import io
import math
import struct
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
        return read_arrays(local.read_bytes())
    except FileNotFoundError as error:
        raise StoreError(f"{local}: expected {what}, found no file. {remedy}") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise StoreError(
            f"{local}: expected {what}, found a damaged file ({error}). Delete it; {remedy}"
        ) from error


def read_arrays(content: bytes) -> dict[str, npt.NDArray[np.generic]]:
    """The arrays of an ``.npz``. Raises ``ValueError``, ``EOFError`` or ``BadZipFile`` for any other file.

    ``np.load`` takes twice as long for many small arrays: most of its time goes into opening each of them and
    into parsing headers that say the same in file after file.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {one.filename.removesuffix(".npy"): archive.read(one) for one in archive.infolist()}
    return {name: _array(member) for name, member in members.items()}


def _array(member: bytes) -> npt.NDArray[np.generic]:
    start = _PREFIX.size
    magic, length = _PREFIX.unpack(member[:start]) if len(member) >= start else (b"", 0)
    if magic != _MAGIC:  # longer headers, and what is no array
        return np.asarray(np.lib.format.read_array(io.BytesIO(member), allow_pickle=False))
    shape, kind, by_column = _layout(member[start - 2 : start + length])
    if kind.hasobject:
        raise ValueError("it holds objects, which are never read")
    flat = np.frombuffer(member, kind, count=math.prod(shape), offset=start + length).copy()
    return flat.reshape(shape, order="F" if by_column else "C")


@functools.lru_cache(maxsize=4096)
def _layout(header: bytes) -> tuple[tuple[int, ...], np.dtype[np.generic], bool]:
    """Shape, type and whether columns come first, from the header of an ``.npy`` with its length."""
    shape, by_column, kind = np.lib.format.read_array_header_1_0(io.BytesIO(header))
    return tuple(shape), kind, bool(by_column)


_MAGIC: Final = np.lib.format.magic(1, 0)
_PREFIX: Final = struct.Struct(f"<{len(_MAGIC)}sH")
