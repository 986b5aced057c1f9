"""More than forty files as people and broken cameras leave them, each with what must become of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sopilot_assets.capture.reasons import Reason
from sopilot_assets.tasks.spec import QualityGate, Step, TaskSpec
from sopilot_assets_tests.video.tiny import Image, bench_picture, write_audio_only, write_tiny_video

ACCEPTED = "accepted"
DUPLICATE = "duplicate"
UNTOUCHED = "untouched"
CUTS = (0.002, 0.02, 0.1, 0.2, 0.3, 0.45, 0.7, 0.8, 0.9, 0.99)
FLIP_SEEDS = range(6)
ANY_END = frozenset(
    {ACCEPTED, Reason.TRUNCATED, Reason.UNREADABLE, Reason.NOT_A_VIDEO, Reason.TOO_SHORT, Reason.TOO_SMALL}
)

PLAIN = "bolt_check"
GATED = "lid_check"


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file below the capture folder and the ends that are right for it: `ACCEPTED`, `DUPLICATE`,
    `UNTOUCHED`, or a reason.
    """

    relative: str
    ends: frozenset[str]


def two_tasks() -> dict[str, TaskSpec]:
    """One task without and one with a quality gate."""
    steps = (Step(id="one", name="One"), Step(id="two", name="Two"))
    gate = QualityGate(enabled=True, min_width=160, min_height=120, min_duration_s=2.0)
    return {
        PLAIN: TaskSpec(task_id=PLAIN, name="Bolts", version=1, steps=steps),
        GATED: TaskSpec(task_id=GATED, name="Lid", version=1, steps=steps, quality_gate=gate),
    }


def write_bad_files(capture: Path, outside: Path) -> list[BadFile]:
    """Write all of them below ``capture``; ``outside`` is a folder that no link may lead intake into."""
    here = capture / PLAIN / "trainee" / "plant_a"
    here.mkdir(parents=True)
    outside.mkdir(parents=True)
    pieces = (
        _not_videos(here),
        _cut(here, outside),
        _flipped(here, outside),
        _odd_but_good(here),
        _names(here),
        _places(capture),
        _quality(capture / GATED / "gold" / "plant_a"),
        _links_and_pipes(capture, here, outside),
    )
    return [
        BadFile(
            path.relative_to(capture).as_posix(), ends if isinstance(ends, frozenset) else frozenset({ends})
        )
        for piece in pieces
        for path, ends in piece
    ]


Ends = Iterator[tuple[Path, str | frozenset[str]]]


def _not_videos(here: Path) -> Ends:
    (here / "zero.mp4").write_bytes(b"")
    os.utime(here / "zero.mp4", (1e9, 1e9))
    yield here / "zero.mp4", Reason.NOT_A_VIDEO
    (here / "text.mp4").write_text("Shopping list: bolts, washers.\n" * 40)
    yield here / "text.mp4", Reason.NOT_A_VIDEO
    (here / "noise.mkv").write_bytes(np.random.default_rng(0).bytes(50_000))
    yield here / "noise.mkv", Reason.NOT_A_VIDEO
    (here / "playlist.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/hostname\n")
    yield here / "playlist.mp4", Reason.NOT_A_VIDEO
    cv2.imwrite(str(here / "photo.png"), bench_picture(0, size=(160, 120)))
    (here / "photo.png").rename(here / "photo.mp4")
    yield here / "photo.mp4", Reason.NOT_A_VIDEO
    yield write_audio_only(here / "sound.mp4"), Reason.NO_VIDEO_STREAM
    yield write_tiny_video(here / "one_frame.mp4", seconds=0.01), Reason.TOO_SHORT
    yield write_tiny_video(here / "one_second.mp4", seconds=1.0), Reason.TOO_SHORT
    yield write_tiny_video(here / "stamp.mp4", size=(32, 32)), Reason.TOO_SMALL
    no_directory = write_tiny_video(here / "no_moov.mp4", seed=3)
    data = no_directory.read_bytes()
    no_directory.write_bytes(data[: data.rindex(b"moov") - 4])
    yield no_directory, Reason.TRUNCATED


def _cut(here: Path, outside: Path) -> Ends:
    for kind, options in (("last", {}), ("first", {"movflags": "faststart"})):
        whole = write_tiny_video(
            outside / f"{kind}.mp4", seconds=8, container_options=options, options={"g": "30"}
        )
        for cut in CUTS:
            path = here / f"cut_moov_{kind}_{cut}.mp4"
            path.write_bytes(whole.read_bytes()[: max(int(whole.stat().st_size * cut), 8)])
            enough = kind == "first" and cut > 0.6
            yield (
                path,
                ACCEPTED
                if enough
                else frozenset({Reason.TRUNCATED, Reason.NOT_A_VIDEO} if cut < 0.01 else {Reason.TRUNCATED}),
            )


def _flipped(here: Path, outside: Path) -> Ends:
    whole = write_tiny_video(outside / "flip.mp4", seconds=6, seed=5, options={"g": "30"}).read_bytes()
    for seed in FLIP_SEEDS:
        data = bytearray(whole)
        for position in np.random.default_rng(seed).integers(0, len(data), 25):
            data[position] ^= 0xFF
        (here / f"flipped_{seed}.mp4").write_bytes(data)
        yield here / f"flipped_{seed}.mp4", ANY_END


def _odd_but_good(here: Path) -> Ends:
    rng = np.random.default_rng(1)
    fast = {"deadline": "realtime", "cpu-used": "8"}
    yield write_tiny_video(here / "good_1.mp4", seed=10), ACCEPTED
    yield write_tiny_video(here / "good_2.mp4", seed=11, audio=True), ACCEPTED
    yield write_tiny_video(here / "odd_size.mp4", size=(162, 122), seed=12), ACCEPTED
    for degrees in (90, 180, 270):
        yield write_tiny_video(here / f"rotated_{degrees}.mp4", rotation_deg=degrees, seed=13), ACCEPTED
    yield write_tiny_video(here / "mirrored.mp4", mirrored=True, seed=14), ACCEPTED
    uneven_s = np.cumsum(rng.choice([1 / 60, 1 / 15, 0.4], 60)).tolist()
    yield write_tiny_video(here / "uneven.mp4", times_s=uneven_s, seed=15), ACCEPTED
    yield write_tiny_video(here / "vp9.webm", codec="libvpx-vp9", options=fast, seed=16), ACCEPTED
    yield write_tiny_video(here / "av1.mp4", codec="libsvtav1", options={"preset": "12"}, seed=17), ACCEPTED
    yield write_tiny_video(here / "stream.ts", seed=18), ACCEPTED
    yield (
        write_tiny_video(
            here / "four_k.mp4", size=(3840, 2160), fps=4, seed=19, options={"preset": "ultrafast"}
        ),
        ACCEPTED,
    )
    yield write_tiny_video(here / "film.mkv", seed=20), ACCEPTED
    yield write_tiny_video(here / "motion_jpeg.avi", codec="mjpeg", seed=21), ACCEPTED
    yield write_tiny_video(here / "animated.gif", codec="gif", fps=10, seed=22), ACCEPTED


def _names(here: Path) -> Ends:
    one = write_tiny_video(here / "plain.mp4", seed=30)
    yield one, ACCEPTED
    for number, name in enumerate(
        (
            "作業 手順①.mp4",
            "х" * 120 + ".mp4",
            "no_suffix",
            "new\nline.mp4",
            "; rm -rf $HOME `x` '\".mp4",
            "-n.mp4",
        )
    ):
        path = write_tiny_video(here / "temporary.mp4", seed=31 + number).rename(here / name)
        yield path, ACCEPTED
    undecodable = Path(os.fsdecode(os.fsencode(here) + b"/bad_\xff\xfe_bytes.mp4"))
    yield write_tiny_video(here / "temporary.mp4", seed=40).rename(undecodable), ACCEPTED
    (here / ("y" * 251 + ".mp4")).write_bytes(b"not much")
    yield here / ("y" * 251 + ".mp4"), Reason.NOT_A_VIDEO
    shutil.copy(one, here / "same_bytes_other_name.mp4")
    os.utime(here / "same_bytes_other_name.mp4", (4e9, 4e9))
    yield here / "same_bytes_other_name.mp4", DUPLICATE
    bad = write_tiny_video(here / "bad_sidecar.mp4", seed=41)
    bad.with_name("bad_sidecar.mp4.json").write_text("{person: Aoi")
    yield bad, Reason.UNREADABLE_SIDECAR


def _places(capture: Path) -> Ends:
    places = {
        "nobody_knows/trainee/plant_a/a.mp4": Reason.UNKNOWN_TASK,
        f"{PLAIN}/b.mp4": Reason.WRONG_FOLDER,
        f"{PLAIN}/trainee/c.mp4": Reason.WRONG_FOLDER,
        f"{PLAIN}/expert/plant_a/d.mp4": Reason.WRONG_FOLDER,
        f"{PLAIN}/trainee/plant_a/cam_1/deep/e.mp4": Reason.WRONG_FOLDER,
        "top.mp4": Reason.WRONG_FOLDER,
        f"{PLAIN}/trainee/plant_b/cam_1/f.mp4": ACCEPTED,
        f"{PLAIN}/trainee/plant_a/folder.mp4/g.mp4": ACCEPTED,
    }
    for number, (relative, end) in enumerate(places.items()):
        yield write_tiny_video(capture / relative, seed=50 + number), end


def _quality(golds: Path) -> Ends:
    rng = np.random.default_rng(2)

    def dark(_: int, image: Image) -> Image:
        return (image // 10).astype(np.uint8)

    def bright(_: int, image: Image) -> Image:
        return (255 - (255 - image) // 10).astype(np.uint8)

    def blurred(_: int, image: Image) -> Image:
        return cv2.GaussianBlur(image, (0, 0), 9).astype(np.uint8)

    def shaky(_: int, image: Image) -> Image:
        return np.roll(image, rng.integers(-14, 15, 2), (0, 1))

    sharp = {"size": (320, 240), "seconds": 3.0, "options": {"crf": "14"}}
    yield write_tiny_video(golds / "sharp.mp4", seed=60, **sharp), ACCEPTED
    yield write_tiny_video(golds / "dark.mp4", seed=61, picture=dark, **sharp), Reason.TOO_DARK
    yield write_tiny_video(golds / "bright.mp4", seed=62, picture=bright, **sharp), Reason.OVEREXPOSED
    yield write_tiny_video(golds / "blurred.mp4", seed=63, picture=blurred, **sharp), Reason.BLURRED
    yield write_tiny_video(golds / "shaky.mp4", seed=64, picture=shaky, **sharp), Reason.UNSTABLE
    yield write_tiny_video(golds / "small.mp4", seed=65, size=(128, 96)), Reason.TOO_SMALL
    trainees = golds.parents[1] / "trainee" / "plant_a"
    yield write_tiny_video(trainees / "dark_trainee.mp4", seed=66, picture=dark, **sharp), ACCEPTED


def _links_and_pipes(capture: Path, here: Path, outside: Path) -> Ends:
    (here / "loop").symlink_to(capture)
    yield here / "loop", UNTOUCHED
    secret = write_tiny_video(outside / "secret.mp4", seed=70)
    (here / "link.mp4").symlink_to(secret)
    yield here / "link.mp4", UNTOUCHED
    (capture / "outside_task").symlink_to(outside)
    yield capture / "outside_task", UNTOUCHED
    os.mkfifo(here / "pipe.mp4")
    yield here / "pipe.mp4", UNTOUCHED
    for name in (".hidden.mp4", "copying.mp4.part", "download.mp4.crdownload"):
        yield write_tiny_video(here / "temporary.mp4", seed=71).rename(here / name), UNTOUCHED
    (here / "waiting.mp4.json").write_text("{}")
    yield here / "waiting.mp4.json", UNTOUCHED
    (here / "empty_folder.mp4").mkdir()
