"""Named arrays: what was saved is read, the same as numpy reads it, and damage is named."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sopilot_assets.errors import StoreError
from sopilot_assets.store.arrays import arrays_bytes, load_arrays, read_arrays, save_arrays

ARRAYS = {
    "words": np.array("two words"),
    "half": np.linspace(0, 1, 12, dtype=np.float16).reshape(3, 4),
    "none": np.zeros((0, 3), dtype=np.float32),
    "flags": np.array([True, False]),
    "scalar": np.array(2.5),
    "times": np.arange(5.0),
}


def test_arrays_come_back_as_they_were_and_may_be_changed() -> None:
    found = read_arrays(arrays_bytes(ARRAYS))
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(found[name], array)
    found["times"][0] = 9.0
    assert read_arrays(arrays_bytes(ARRAYS))["times"][0] == 0.0


def test_what_numpy_writes_in_other_ways_is_read_too() -> None:
    by_column, newer, stream = np.asfortranarray(np.arange(6.0).reshape(2, 3)), io.BytesIO(), io.BytesIO()
    np.lib.format.write_array(newer, by_column, version=(2, 0))
    np.savez_compressed(stream, by_column=by_column)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("newer.npy", newer.getvalue())
    found = read_arrays(stream.getvalue())
    assert np.array_equal(found["by_column"], by_column)
    assert np.array_equal(found["newer"], by_column)


def test_a_damaged_file_is_named_and_objects_are_never_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save_arrays(path, ARRAYS)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(np.arange(5.0).tobytes()) + 9] ^= 1
    objects, other = io.BytesIO(), io.BytesIO()
    np.savez(objects, allow_pickle=True, objects=np.array([{}], dtype=object))
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.npy", b"short")
    for content in (b"", b"no archive", whole[:-30], bytes(flipped), objects.getvalue(), other.getvalue()):
        path.write_bytes(content)
        with pytest.raises(StoreError, match="expected an alignment, found a damaged file"):
            load_arrays(path, what="an alignment", remedy="make it again")
    path.unlink()
    with pytest.raises(StoreError, match="found no file"):
        load_arrays(path, what="an alignment", remedy="make it again")
