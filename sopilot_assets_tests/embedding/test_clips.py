from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sopilot_assets.embedding.clips import (
    clip_starts,
    comparable,
    embedding_bytes,
    load_embedding,
    require_same_model,
    save_embedding,
)
from sopilot_assets.errors import ModelError, ModelMismatch
from sopilot_assets_tests.embedding.made import made_embedding


@pytest.mark.parametrize(
    ("duration_s", "expected"),
    [
        (0.04, [0.0]),
        (2.0, [0.0]),
        (2.04, [0.0]),
        (2.2, [0.0, 0.5]),
        (2.5, [0.0, 0.5]),
        (3.4, [0.0, 0.5, 1.0, 1.5]),
    ],
)
def test_clips_cover_a_video_to_its_end(duration_s: float, expected: list[float]) -> None:
    assert clip_starts(duration_s, length_s=2.0, stride_s=0.5).tolist() == expected


def test_a_saved_embedding_comes_back_unchanged(tmp_path: Path) -> None:
    made = made_embedding()
    save_embedding(tmp_path / "a.npz", made)
    back = load_embedding(tmp_path / "a.npz")
    assert embedding_bytes(back) == embedding_bytes(made)
    for name, block in made.blocks.items():
        np.testing.assert_array_equal(back.blocks[name], block)
    np.testing.assert_array_equal(back.stillness, made.stillness)
    assert (back.model_id, back.reader, back.duration_s) == (made.model_id, made.reader, made.duration_s)


def test_equal_embeddings_are_stored_as_equal_bytes_whatever_the_order_of_their_blocks(
    tmp_path: Path,
) -> None:
    made = made_embedding()
    turned = dataclasses.replace(made, blocks=dict(reversed(list(made.blocks.items()))))
    save_embedding(tmp_path / "a.npz", made)
    save_embedding(tmp_path / "b.npz", turned)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("damage", ["empty", "cut", "text"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.npz"
    save_embedding(path, made_embedding())
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": b"not an embedding"}[damage])
    with pytest.raises(ModelError, match=r"a\.npz: not an embedding"):
        load_embedding(path)


def test_a_missing_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="materialize clip_embeddings"):
        load_embedding(tmp_path / "none.npz")


def test_comparable_rows_have_length_one() -> None:
    rows = comparable(made_embedding())
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_comparable_ignores_what_a_whole_video_has_in_common() -> None:
    made = made_embedding()
    brighter = {**made.blocks, "mid": np.asarray(made.blocks["mid"] + 5, dtype=np.float32)}
    shifted = dataclasses.replace(made, blocks=brighter)
    np.testing.assert_allclose(comparable(made), comparable(shifted), atol=1e-3)


def test_masked_clips_do_not_move_the_mean() -> None:
    made = made_embedding()
    mask = np.ones(made.clip_count, dtype=np.bool_)
    mask[-2:] = False
    block = made.blocks["mid"].copy()
    block[-2:] += 100
    outlier = dataclasses.replace(made, blocks={**made.blocks, "mid": block})
    np.testing.assert_allclose(comparable(outlier, mask)[:-2], comparable(made, mask)[:-2], atol=1e-6)
    assert np.abs(comparable(outlier)[:-2] - comparable(made)[:-2]).max() > 0.1


def test_a_mask_without_any_clip_uses_them_all() -> None:
    made = made_embedding()
    nothing = np.zeros(made.clip_count, dtype=np.bool_)
    np.testing.assert_array_equal(comparable(made, nothing), comparable(made))


def test_a_mask_of_another_length_is_refused() -> None:
    with pytest.raises(ModelError, match="expected shape"):
        comparable(made_embedding(), np.ones(3, dtype=np.bool_))


def test_embeddings_of_different_models_are_never_compared() -> None:
    ours, theirs = made_embedding(model_id="lite0_flow-a"), made_embedding(model_id="vjepa2-b")
    require_same_model(ours, ours)
    with pytest.raises(ModelMismatch, match="lite0_flow-a and vjepa2-b"):
        require_same_model(ours, theirs)


def test_blocks_of_another_length_are_refused() -> None:
    made = made_embedding()
    with pytest.raises(ModelError, match="expected blocks of shape"):
        dataclasses.replace(made, blocks={"mid": np.zeros((2, 5), dtype=np.float32)})
