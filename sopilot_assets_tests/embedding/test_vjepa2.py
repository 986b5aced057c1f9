from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from upath import UPath

from sopilot_assets.embedding.backends import known_model_id, load_embedder
from sopilot_assets.embedding.clips import embedding_bytes
from sopilot_assets.embedding.models import preload, verify
from sopilot_assets.errors import ModelError
from sopilot_assets.store.home import Home


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A V-JEPA 2 model with few random weights, as `save_pretrained` writes it."""
    # loaded here, since it takes seconds: not by every process that only collects the tests
    transformers = pytest.importorskip("transformers", reason="the vjepa2 extra is not installed")
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    config = transformers.VJEPA2Config(
        crop_size=32,
        frames_per_clip=16,
        hidden_size=24,
        num_attention_heads=2,
        num_hidden_layers=2,
        pred_hidden_size=24,
        pred_num_attention_heads=2,
        pred_num_hidden_layers=1,
        pred_num_mask_tokens=2,
    )
    transformers.VJEPA2Model(config).save_pretrained(folder)
    return folder


def test_a_preloaded_model_embeds_a_video(
    source: Path, home: Home, tmp_path: Path, tiny_video: Callable[..., Path]
) -> None:
    preload(source, home)
    embedder = load_embedder("vjepa2", models=home.models, device="cpu")
    path = tiny_video(tmp_path / "a.mp4", seconds=3.3)
    made = embedder.embed(path)
    assert made.clip_start_s.tolist() == [0.0, 0.5, 1.0, 1.5]
    assert made.blocks["tokens"].shape == (4, 24)
    assert np.ptp(made.blocks["tokens"], axis=0).max() > 0
    assert made.model_id.startswith("vjepa2-")
    assert embedding_bytes(made) == embedding_bytes(embedder.embed(path))


def test_a_video_shorter_than_a_clip_is_one_clip(
    source: Path, home: Home, tmp_path: Path, tiny_video: Callable[..., Path]
) -> None:
    preload(source, home)
    embedder = load_embedder("vjepa2", models=home.models, device="cpu")
    assert embedder.embed(tiny_video(tmp_path / "a.mp4", seconds=0.5)).blocks["tokens"].shape == (1, 24)


def test_verify_runs_the_model_and_precision_is_part_of_its_identity(source: Path, home: Home) -> None:
    preload(source, home)
    exact = verify(home, "vjepa2", device="cpu", precision="fp32")
    short = verify(home, "vjepa2", device="cpu", precision="bf16")
    assert exact.numbers == short.numbers == 24
    assert exact.repeatable
    assert exact.model_id != short.model_id


def test_only_weights_and_configuration_are_copied(source: Path, home: Home, tmp_path: Path) -> None:
    full = tmp_path / "full"
    shutil.copytree(source, full)
    (full / "modeling.py").write_text("raise SystemExit")
    (full / "pytorch_model.bin").write_bytes(b"a pickle")
    preload(full, home)
    found = {path.name for path in (Path(str(home.models)) / "vjepa2").iterdir()}
    assert found == {"config.json", "model.safetensors", "manifest.json"}


def test_a_changed_file_is_refused(source: Path, home: Home) -> None:
    preload(source, home)
    weights = Path(str(home.models)) / "vjepa2" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"model\.safetensors: expected SHA-256"):
        verify(home, "vjepa2", device="cpu")


def test_a_model_that_lacks_weights_is_refused(source: Path, home: Home, tmp_path: Path) -> None:
    larger = tmp_path / "larger"
    shutil.copytree(source, larger)
    config = json.loads((larger / "config.json").read_text())
    (larger / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    preload(larger, home)
    with pytest.raises(ModelError, match="lack"):
        load_embedder("vjepa2", models=home.models, device="cpu")


def test_a_model_that_was_not_preloaded_says_what_to_run(home: Home) -> None:
    with pytest.raises(ModelError, match="sopilot model preload"):
        load_embedder("vjepa2", models=home.models)


@pytest.mark.parametrize("flaw", ["no config", "other model", "no weights"])
def test_a_folder_without_such_a_model_is_refused_and_nothing_is_copied(
    source: Path, home: Home, tmp_path: Path, flaw: str
) -> None:
    folder = tmp_path / "flawed"
    shutil.copytree(source, folder)
    if flaw == "no config":
        (folder / "config.json").unlink()
    elif flaw == "other model":
        (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    else:
        (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="flawed"):
        preload(folder, home)
    assert not Path(str(home.models)).exists()


def test_cuda_without_a_gpu_is_refused_instead_of_replaced(source: Path, home: Home) -> None:
    if pytest.importorskip("torch").cuda.is_available():
        pytest.skip("this machine has a GPU")
    preload(source, home)
    with pytest.raises(ModelError, match="no GPU"):
        load_embedder("vjepa2", models=home.models, device="cuda")


def test_a_missing_extra_says_what_to_install(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "sopilot_assets.embedding.vjepa2", raising=False)
    importlib.invalidate_caches()
    with pytest.raises(ModelError, match=r"pip install 'sopilot-assets\[vjepa2\]'"):
        load_embedder("vjepa2", models=UPath(home.models))


def test_the_id_is_known_without_loading_the_model(source: Path, home: Home) -> None:
    preload(source, home)
    assert known_model_id("vjepa2", str(home.models)) == load_embedder("vjepa2", models=home.models).model_id
