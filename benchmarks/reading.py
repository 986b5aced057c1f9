"""What reading pictures costs and whether they are the right ones, by codec, groups and container.

    python -m benchmarks.reading                      made recordings of 640x480
    python -m benchmarks.reading --size 1920x1080

Each recording is read as embeddings read it (8 pictures a second) and as an examination does (16 places).
Beside the CPU milliseconds of a second of video stand their ratio to decoding every frame and doing nothing
with it, and how many pictures are not those displayed at their time, by frame numbers drawn into them. Where
the package decord is installed, which this project read with before, it reads the same pictures in the last
columns.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from sopilot_assets.capture.quality import burst_times
from sopilot_assets.video.frames import frames_at
from sopilot_assets.video.probe import VideoIndex, read_index
from sopilot_assets_tests.video.tiny import frame_number, write_tiny_video

FPS, SECONDS, ROUNDS, SHORT_SIDE = 25, 40.0, 3, 240
_X264, _X265 = {"preset": "veryfast", "crf": "23"}, {"preset": "ultrafast", "crf": "26"}
KINDS = {
    "H.264, closed, mp4": ("libx264", {**_X264, "g": "50", "bf": "2"}),
    "H.264, open, mkv": ("libx264", {**_X264, "x264-params": "open-gop=1:keyint=50:bframes=3"}),
    "H.264, intra refresh, mp4": ("libx264", {**_X264, "x264-params": "intra-refresh=1:keyint=50"}),
    "H.264, one key frame, mp4": ("libx264", {**_X264, "x264-params": "keyint=infinite:scenecut=0"}),
    "H.264, B-frames, avi": ("libx264", {**_X264, "g": "50", "bf": "2"}),
    "HEVC, open, mp4": ("libx265", {**_X265, "x265-params": "keyint=50:bframes=3:log-level=none"}),
    "HEVC, open, mkv": ("libx265", {**_X265, "x265-params": "keyint=50:bframes=3:log-level=none"}),
    "VP9, webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "g": "50"}),
}

Times = NDArray[np.float64]
Read = Callable[[Path, VideoIndex, Times], list[int]]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="640x480")
    width, height = (int(number) for number in parser.parse_args(arguments).size.split("x"))
    print(f"{'CPU ms per second of video':30}  all  |  8 Hz ratio wrong | 16 places ratio wrong | decord")
    with tempfile.TemporaryDirectory(prefix="sopilot-benchmark-") as folder:
        for kind, (codec, options) in KINDS.items():
            path = Path(folder) / f"a.{kind.rsplit(' ', 1)[1]}"
            write_tiny_video(
                path, seconds=SECONDS, fps=FPS, size=(width, height), codec=codec, options=options
            )
            print(_row(kind, path), flush=True)


def _row(kind: str, path: Path) -> str:
    index = read_index(path)
    everything_ms = _best_ms(lambda: _decode_all(path))
    cells = [f"{kind:30} {everything_ms:5.1f}"]
    asked = (index.sample_times(rate_hz=8), burst_times(SECONDS))
    for times_s in asked:
        ms, wrong = _measured(_read, path, index, times_s)
        cells.append(f" {ms:6.1f} {ms / everything_ms:5.2f} {wrong:4d} ")
    cells.append(", ".join(_with_decord(path, index, times_s) for times_s in asked))
    return " | ".join(cells)


def _measured(read: Read, path: Path, index: VideoIndex, times_s: Times) -> tuple[float, int]:
    shown = read(path, index, times_s)
    due = [int((time_s + 1.5e-3) * FPS) for time_s in times_s]
    wrong = sum(one != other for one, other in zip(shown, due, strict=False)) + len(due) - len(shown)
    return _best_ms(lambda: read(path, index, times_s)), wrong


def _best_ms(work: Callable[[], object]) -> float:
    spent_s = []
    for _ in range(ROUNDS):
        started_s = time.process_time()
        work()
        spent_s.append(time.process_time() - started_s)
    return min(spent_s) * 1000 / SECONDS


def _decode_all(path: Path) -> int:
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        return sum(1 for _ in container.decode(video=0))


def _read(path: Path, index: VideoIndex, times_s: Times) -> list[int]:
    stream = frames_at(path, index, times_s, short_side=SHORT_SIDE)
    return [frame_number(image) for chunk in stream for image in chunk.images]


def _with_decord(path: Path, index: VideoIndex, times_s: Times) -> str:
    try:
        decord: Any = importlib.import_module("decord")
    except ModuleNotFoundError:
        return "-"
    decord.logging.set_level(decord.logging.QUIET)

    def read(path: Path, index: VideoIndex, times_s: Times) -> list[int]:
        width, height = index.scaled(SHORT_SIDE)
        video = decord.VideoReader(str(path), width=width, height=height, num_threads=1, fault_tol=1e-6)
        return [frame_number(image) for image in video.get_batch(index.frames_at(times_s)).asnumpy()]

    try:
        ms, wrong = _measured(read, path, index, times_s)
    except Exception as error:  # noqa: BLE001 - what it raises has no base class of its own
        return type(error).__name__
    return f"{ms:.1f} ms {wrong} wrong"


if __name__ == "__main__":
    main()
