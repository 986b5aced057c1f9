"""The default embedding: the whole picture, and where the work is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from upath import UPath

from sopilot_assets.embedding.clips import comparable, embedding_bytes, load_embedding, save_embedding
from sopilot_assets.embedding.lite0_box import Lite0Box
from sopilot_assets.embedding.lite0_flow import Lite0Flow
from sopilot_assets.embedding.model_states import model_states
from sopilot_assets.embedding.models import verify
from sopilot_assets.store.home import Home
from sopilot_assets_tests.video.tiny import bench_picture

Image = NDArray[np.uint8]
SIZE = (336, 224)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> UPath:
    return UPath(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def embedder(models: UPath) -> Lite0Box:
    return Lite0Box(models=models)


def in_a_room(seed: int) -> Callable[[int, Image], Image]:
    """Pictures of one piece of work, a patterned thing that is turned over and over, in any room."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (7, 8, 3), dtype=np.uint8)
    walls = np.kron(coarse, np.ones((32, 42, 1), dtype=np.uint8))
    thing = np.kron(
        np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8)
    )

    def picture(number: int, _: Image) -> Image:
        image = walls.copy()
        image[90:154, 130:194] = np.rot90(thing, number // 8 % 4)
        return image

    return picture


def test_a_video_becomes_raw_blocks_of_the_whole_picture_and_of_the_box(
    tmp_path: Path, tiny_video: Callable[..., Path], embedder: Lite0Box
) -> None:
    made = embedder.embed(tiny_video(tmp_path / "a.mp4", seconds=3.4))
    network = {"mid": 1008, "mid_spread": 1008, "final": 1280, "final_spread": 1280}
    assert {name: block.shape for name, block in made.blocks.items()} == {
        **{name: (4, size) for name, size in network.items()},
        **{f"box_{name}": (4, size) for name, size in network.items()},
        "hof": (4, 81),
        "hof_whole": (4, 9),
        "mbh": (4, 144),
        "mbh_whole": (4, 16),
    }
    assert made.model_id == embedder.model_id
    assert made.model_id.startswith("lite0_box-")
    assert np.isfinite(comparable(made)).all()


def test_in_another_room_the_box_changes_less_than_the_whole_picture(
    tmp_path: Path, tiny_video: Callable[..., Path], embedder: Lite0Box
) -> None:
    here, there = (
        embedder.embed(tiny_video(tmp_path / f"{seed}.mp4", seconds=4, size=SIZE, picture=in_a_room(seed)))
        for seed in (3, 4)
    )

    def unlikeness(block: str) -> float:
        one, other = here.blocks[block].mean(axis=0), there.blocks[block].mean(axis=0)
        return 1 - float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))

    assert unlikeness("box_final") < unlikeness("final") / 3
    assert unlikeness("box_mid") < unlikeness("mid") / 2


def test_a_long_video_gives_the_same_as_its_first_part_where_that_ends_later(
    tmp_path: Path, tiny_video: Callable[..., Path], embedder: Lite0Box
) -> None:
    """Boxes are made while the video is read, across the borders of the pieces in which it is read."""
    long = embedder.embed(tiny_video(tmp_path / "long.mkv", seconds=21, fps=10, codec="ffv1"))
    short = embedder.embed(_begun(tiny_video, tmp_path, seconds=16, of=21))
    known = int(np.searchsorted(short.clip_start_s, 16 - 2 - 3))
    for block in short.blocks:
        np.testing.assert_array_equal(long.blocks[block][:known], short.blocks[block][:known])
    assert not np.array_equal(long.blocks["box_mid"][known + 4], short.blocks["box_mid"][known + 4])


def _begun(tiny_video: Callable[..., Path], folder: Path, *, seconds: int, of: int) -> Path:
    def picture(number: int, _: Image) -> Image:
        return bench_picture(number, size=(160, 120), seed=0, share=number / (of * 10))

    return tiny_video(folder / "short.mkv", seconds=seconds, fps=10, codec="ffv1", picture=picture)


@pytest.mark.parametrize("seconds", [0.04, 0.2, 1.0])
def test_a_short_video_is_one_clip(
    tmp_path: Path, tiny_video: Callable[..., Path], embedder: Lite0Box, seconds: float
) -> None:
    made = embedder.embed(tiny_video(tmp_path / "a.mp4", seconds=seconds))
    assert made.clip_count == 1
    assert made.blocks["mid"].any()
    assert made.blocks["box_mid"].any()


def test_the_same_video_gives_the_same_bytes_and_is_read_back_as_it_was(
    tmp_path: Path, tiny_video: Callable[..., Path], embedder: Lite0Box, models: UPath
) -> None:
    path = tiny_video(tmp_path / "a.mp4", seconds=3.0)
    made = embedder.embed(path)
    assert embedding_bytes(made) == embedding_bytes(Lite0Box(models=models).embed(path))
    save_embedding(tmp_path / "a.npz", made)
    assert embedding_bytes(load_embedding(tmp_path / "a.npz")) == embedding_bytes(made)


def test_all_that_lite0_flow_sees_is_there_too(
    tmp_path: Path, tiny_video: Callable[..., Path], embedder: Lite0Box, models: UPath
) -> None:
    path = tiny_video(tmp_path / "a.mp4", seconds=3.0)
    ours, flow = embedder.embed(path), Lite0Flow(models=models).embed(path)
    for block, features in flow.blocks.items():
        np.testing.assert_array_equal(ours.blocks[block], features)
    np.testing.assert_array_equal(ours.stillness, flow.stillness)
    np.testing.assert_array_equal(ours.clip_start_s, flow.clip_start_s)


def test_both_models_share_one_network(home: Home) -> None:
    verified = verify(home, "lite0_box")
    assert (verified.numbers, verified.repeatable) == (1008 + 1280, True)
    states = {one.name: one.state for one in model_states(home)}
    assert states["lite0_box"] == states["lite0_flow"] == "1 files, as in their manifest"
