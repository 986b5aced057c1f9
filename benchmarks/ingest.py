"""Ingest speed: quality, decoding and embedding in video-seconds per CPU-second, and where the time goes.

    python benchmarks/ingest.py                       simulated video in three sizes
    python benchmarks/ingest.py --videos DIR          your own videos, grouped by size
    python benchmarks/ingest.py --models HOME/models  also vjepa2, when it was preloaded there

CPU seconds are those of this process, all its threads included. Each measurement is the best of the rounds:
other work on the machine only ever adds. The speed counts quality + decoding + embedding.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from upath import UPath

from sopilot_assets.capture.examine import examine
from sopilot_assets.capture.simulate import simulate
from sopilot_assets.embedding import lite0_flow, lite0_identity
from sopilot_assets.embedding.backends import load_embedder
from sopilot_assets.embedding.clips import clip_starts
from sopilot_assets.embedding.embedder import Embedder
from sopilot_assets.embedding.flow import FlowMeter
from sopilot_assets.embedding.lite0_onnx import open_network, prepared_network
from sopilot_assets.embedding.motion_box import MotionBoxMeter
from sopilot_assets.embedding.pooling import StillnessMeter, grey_image, one_cv2_thread
from sopilot_assets.tasks.spec import QualityGate
from sopilot_assets.video.frames import open_frames
from sopilot_assets.video.probe import probe

SIZES = ((480, 320), (854, 480), (1280, 720))
TARGET = 20.0
"""Video-seconds per CPU-second wanted of lite0_box at 480x320."""
LEAST_OF_FLOW: Final = 0.8
"""What lite0_box may at least keep of the speed of lite0_flow."""

Seconds = dict[str, float]


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="sopilot-benchmark-") as scratch:
        models = UPath(options.models or Path(scratch) / "models")
        groups = _by_size(options.videos) if options.videos else _simulated(Path(scratch), options.seconds)
        embedders = _embedders(models)
        print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, best of {options.rounds} rounds\n")
        rows = [
            _row(size, paths, embedder, options.rounds)
            for size, paths in groups.items()
            for embedder in embedders
        ]
        _print_table(rows)
        for size, paths in groups.items():
            _print_stages(size, paths, models, options.rounds)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=Path, help="a folder of videos instead of simulated ones")
    parser.add_argument("--models", type=Path, help="a home's folder of models; a temporary one without it")
    parser.add_argument(
        "--rounds", type=int, default=3, help="times each measurement is repeated (default 3)"
    )
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="length of a simulated video (default 30)"
    )
    return parser.parse_args(arguments)


def _by_size(folder: Path) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*.mp4")):
        found = probe(path)
        groups[f"{found.width}x{found.height}"].append(path)
    if not groups:
        raise SystemExit(f"{folder}: no .mp4 files there.")
    return dict(sorted(groups.items()))


def _simulated(scratch: Path, seconds: float) -> dict[str, list[Path]]:
    groups = {}
    for width, height in SIZES:
        print(f"rendering {width}x{height} ...", flush=True)
        out = scratch / f"{width}x{height}"
        simulate(out, seed=0, golds=1, trainees=0, size=(width, height), step_seconds=seconds / 6)
        groups[f"{width}x{height}"] = sorted(out.rglob("*.mp4"))
    return groups


def _embedders(models: UPath) -> list[Embedder]:
    names = ["lite0_box", "lite0_flow", "color_motion"]
    if (Path(str(models)) / "vjepa2" / "manifest.json").is_file():
        names.append("vjepa2")
    return [load_embedder(name, models=models) for name in names]


def _row(
    size: str, paths: Sequence[Path], embedder: Embedder, rounds: int
) -> tuple[str, str, float, Seconds]:
    video_s = sum(probe(path).duration_s for path in paths)
    spent = {
        "quality": _best(
            rounds, lambda: [examine(str(path), gate=QualityGate(enabled=True)) for path in paths]
        ),
        "all": _best(rounds, lambda: [embedder.embed(path) for path in paths]),
    }
    return size, embedder.name, video_s, spent


def _best(rounds: int, work: Callable[[], object]) -> float:
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)


def _print_table(rows: Sequence[tuple[str, str, float, Seconds]]) -> None:
    print(f"\n{'size':>10} {'backend':>13} {'video-s':>8} {'quality':>8} {'embed':>8}   video-s / CPU-s")
    for size, name, video_s, spent in rows:
        quality, embed = (1000 * spent[stage] / video_s for stage in ("quality", "all"))
        speed = 1000 / (quality + embed)
        target = (
            f"  (target {TARGET:.0f}: {'met' if speed >= TARGET else 'MISSED'})"
            if _is_target(size, name)
            else ""
        )
        print(f"{size:>10} {name:>13} {video_s:8.1f} {quality:8.2f} {embed:8.2f}   {speed:10.1f}{target}")
    print("quality and embed (decoding included) in CPU-milliseconds per video-second")
    speed = {(size, name): video_s / sum(spent.values()) for size, name, video_s, spent in rows}
    for size in dict.fromkeys(size for size, *_ in rows):
        share = speed[size, "lite0_box"] / speed[size, "lite0_flow"]
        kept = "met" if share >= LEAST_OF_FLOW else "MISSED"
        print(f"{size:>10} lite0_box keeps {share:.2f} of lite0_flow's speed (least {LEAST_OF_FLOW}: {kept})")


def _is_target(size: str, name: str) -> bool:
    return size == "480x320" and name == "lite0_box"


def _print_stages(size: str, paths: Sequence[Path], models: UPath, rounds: int) -> None:
    video_s = sum(probe(path).duration_s for path in paths)
    best: Seconds = {}
    for _ in range(rounds):
        spent: Seconds = defaultdict(float)
        for path in paths:
            _lite0_stages(path, models, spent)
        for stage, taken in spent.items():
            best[stage] = min(taken, best.get(stage, taken))
    total = sum(best.values())
    print(f"\nlite0_box at {size}, CPU-ms per video-second:")
    for stage, taken in best.items():
        print(f"  {stage:>10} {1000 * taken / video_s:7.2f}  {100 * taken / total:3.0f} %")


def _lite0_stages(path: Path, models: UPath, spent: Seconds) -> None:
    """The work of ``Lite0Box.embed``, stage by stage; boxes are made of what was read by then."""
    session = open_network(prepared_network(models).path)
    still, flow = StillnessMeter(), FlowMeter()
    boxes = MotionBoxMeter(reach=round(lite0_identity.BOX_REACH_S * lite0_identity.RATE_HZ))
    read = 0
    with one_cv2_thread(), _timed(spent, "decode"):
        stream = open_frames(path, rate_hz=lite0_identity.RATE_HZ, short_side=lite0_flow.SHORT_SIDE_PX)
        chunks = iter(stream)
    with one_cv2_thread():
        while True:
            with _timed(spent, "decode"):
                chunk = next(chunks, None)
            if chunk is None:
                break
            with _timed(spent, "luma"):
                greys = [grey_image(image) for image in chunk.images]
            with _timed(spent, "stillness"):
                for time_s, grey in zip(chunk.times_s, greys, strict=True):
                    still.add(float(time_s), grey, held=False)
            with _timed(spent, "flow"):
                for time_s, grey in zip(chunk.times_s, greys, strict=True):
                    flow.add(float(time_s), grey)
            with _timed(spent, "network"):
                for image in chunk.images[lite0_flow.NETWORK_PHASE :: lite0_identity.NETWORK_EVERY]:
                    lite0_flow.network_features(session, image)
            with _timed(spent, "box"):
                for grey in greys:
                    boxes.add(grey)
                for place in range(lite0_flow.NETWORK_PHASE, len(greys), lite0_identity.BOX_EVERY):
                    box = boxes.box(read + place)
                    lite0_flow.network_features(session, box.of(chunk.images[place]))
            read += len(greys)
    with _timed(spent, "pooling"):
        starts_s = clip_starts(
            stream.index.end_s, length_s=lite0_identity.CLIP_S, stride_s=lite0_identity.STRIDE_S
        )
        flow.blocks(starts_s, length_s=lite0_identity.CLIP_S)


@contextmanager
def _timed(spent: Seconds, stage: str) -> Iterator[None]:
    started = time.process_time()
    yield
    spent[stage] = spent.get(stage, 0.0) + time.process_time() - started


if __name__ == "__main__":
    main()
