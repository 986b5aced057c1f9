"""How many faces stay uncovered, by size, turn, blur and light; what is covered that is none; what it costs.

    pip download --no-deps --dest WHEELS scikit-image insightface
    python -m benchmarks.faces --wheels WHEELS --backgrounds FOLDER

Known faces are those of pictures in two packages: a group picture of six people (insightface), the portrait
of an astronaut and a man turned away behind a camera (scikit-image); their boxes were checked by eye. They
are put into recordings below FOLDER, which must show no faces (`hw_pub` of ProcBench: hands at a sink), ten
pictures a time, five a second, on a way of their own. A face counts as missed where less than nine tenths
of it are filled: *alone* by what is found in the picture itself, *tracked* as it is shown. The pictures are
measured with and never kept.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sopilot_assets.privacy.covering import UNCOVERED, Covering, covered, face_tracks, sighted
from sopilot_assets.privacy.tracks import RATE_HZ, Boxes, Sighting, covered_at, linked
from sopilot_assets.scoring.review.proxy import proxy
from sopilot_assets.video.frames import frames_at
from sopilot_assets.video.probe import read_index
from sopilot_assets.video.write import write_h264

Picture = NDArray[np.uint8]
Change = Callable[[Picture], Picture]

KNOWN: Final = (
    (
        "insightface/data/images/t1.jpg",
        (
            (62, 268, 165, 392),
            (271, 153, 371, 267),
            (465, 265, 571, 411),
            (748, 345, 847, 482),
            (903, 59, 1013, 201),
            (1132, 266, 1231, 402),
        ),
    ),
    ("skimage/data/astronaut.png", ((181, 58, 270, 178),)),
    ("skimage/data/camera.png", ((202, 119, 258, 197),)),
)
"""Pictures in wheels, and the faces in them: left, top, right, bottom in pixels."""
AROUND: Final = 0.7
"""What of a picture is taken along on every side of a face, as a share of its size."""
PICTURES: Final = 10
SIZES_PX: Final = (12, 16, 20, 25, 30, 50, 80, 150)
COVERED_SHARE: Final = 0.9


@dataclass(frozen=True)
class Face:
    """A face with what is around it: the picture, and the face's middle and half axes in it in pixels."""

    image: Picture
    middle: tuple[float, float]
    half: tuple[float, float]


def known_faces(wheels: Path) -> list[Face]:
    """The faces of the pictures in the wheels of a folder."""
    found = []
    for name, boxes in KNOWN:
        (wheel,) = wheels.glob(f"{'scikit_image' if name.startswith('skimage') else 'insightface'}-*.whl")
        with zipfile.ZipFile(wheel) as file, Image.open(io.BytesIO(file.read(name))) as image:
            picture = np.asarray(image.convert("RGB"))
        found += [_cut_out(picture, box) for box in boxes]
    return found


def _cut_out(picture: Picture, box: Sequence[int]) -> Face:
    left, top, right, bottom = box
    more = AROUND * (bottom - top)
    x0, y0 = max(int(left - more), 0), max(int(top - more), 0)
    image = picture[y0 : int(bottom + more), x0 : int(right + more)]
    middle = ((left + right) / 2 - x0, (top + bottom) / 2 - y0)
    return Face(image, middle, ((right - left) / 2, (bottom - top) / 2))


def put(
    background: Picture,
    face: Face,
    *,
    at: tuple[float, float],
    size_px: float,
    turn_deg: float,
    change: Change,
) -> tuple[Picture, NDArray[np.bool_]]:
    """The background with the face at a place, and which pixels are the face."""
    scale = size_px / (2 * face.half[1])
    matrix = cv2.getRotationMatrix2D(face.middle, turn_deg, scale)
    matrix[:, 2] += np.array(at) - face.middle
    size = (background.shape[1], background.shape[0])
    shrunk = cv2.GaussianBlur(face.image, (0, 0), 0.5 / scale) if scale < 1 else face.image
    placed = cv2.warpAffine(change(shrunk), matrix, size, flags=cv2.INTER_LINEAR)
    masks = []
    for grown in (1 + AROUND, 1.0):
        mask = np.zeros(face.image.shape[:2], np.uint8)
        axes = (int(face.half[0] * grown), int(face.half[1] * grown))
        cv2.ellipse(mask, tuple(map(int, face.middle)), axes, 0, 0, 360, 255, cv2.FILLED)
        masks.append(cv2.warpAffine(mask, matrix, size))
    soft = cv2.GaussianBlur(masks[0], (0, 0), max(size_px / 20, 0.5))[..., None] / 255.0
    return (background * (1 - soft) + placed * soft).astype(np.uint8), masks[1] > 127


@dataclass(frozen=True)
class Missed:
    """Pictures with a face, those in which it is missed alone and tracked; ways, and those never covered."""

    pictures: int
    alone: int
    tracked: int
    ways: int
    lost: int

    def row(self, name: str) -> str:
        """As a row of a table."""
        shares = [f"{100 * some / self.pictures:.1f} %" for some in (self.alone, self.tracked)]
        return f"| {name} | {self.pictures} | {' | '.join(shares)} | {self.lost} of {self.ways} |"


def missed(
    faces: Sequence[Face],
    backgrounds: Sequence[Path],
    rng: np.random.Generator,
    *,
    size_px: float,
    turn_deg: float = 0.0,
    change: Change = lambda image: image,
    afterwards: Change = lambda image: image,
    ways: int = 2,
) -> Missed:
    """What is missed of each face on so many ways; ``change`` is done to the face, ``afterwards`` to the
    whole picture.
    """
    alone = tracked = lost = 0
    for face in faces:
        for _ in range(ways):
            shown, truths = [], []
            turn = turn_deg + rng.uniform(-10, 10)
            for at, background in _way(backgrounds, rng, size_px):
                picture, truth = put(background, face, at=at, size_px=size_px, turn_deg=turn, change=change)
                shown.append(afterwards(picture))
                truths.append(truth)
            sightings = [sighted(picture, k / RATE_HZ) for k, picture in enumerate(shown)]
            tracks = linked(sightings)
            alone += sum(_bare(truth, _itself(one)) for truth, one in zip(truths, sightings, strict=True))
            bare = [_bare(truth, covered_at(tracks, k / RATE_HZ)) for k, truth in enumerate(truths)]
            tracked += sum(bare)
            lost += all(bare)
    return Missed(len(faces) * ways * PICTURES, alone, tracked, len(faces) * ways, lost)


def _itself(sighting: Sighting) -> Boxes:
    return covered_at(linked([sighting]), sighting.time_s)


def _bare(truth: NDArray[np.bool_], boxes: Boxes) -> bool:
    """Whether too little of the face is filled."""
    filled = covered(np.zeros((*truth.shape, 3), np.uint8), boxes)[..., 0] > 0
    return bool((filled & truth).sum() < COVERED_SHARE * truth.sum())


def _way(
    backgrounds: Sequence[Path], rng: np.random.Generator, size_px: float
) -> Iterator[tuple[tuple[float, float], Picture]]:
    """Places of a face in consecutive pictures of a recording."""
    path = backgrounds[rng.integers(len(backgrounds))]
    index = read_index(path)
    begin_s = rng.uniform(index.begin_s, index.end_s - PICTURES / RATE_HZ - 0.5)
    times_s = begin_s + np.arange(PICTURES) / RATE_HZ
    images = np.concatenate([c.images for c in frames_at(path, index, times_s, short_side=320)])
    height, width = images.shape[1:3]
    room = np.array([width, height]) - size_px * 1.2
    place = size_px * 0.6 + rng.uniform(0, 1, 2) * np.maximum(room, 1)
    step = rng.uniform(-0.15, 0.15, 2) * size_px
    for image in images:
        yield (float(place[0]), float(place[1])), image
        place = np.clip(place + step, size_px * 0.6, np.array([width, height]) - size_px * 0.6)


def _masked(image: Picture) -> Picture:
    """The lower half of the face below a white mask; the middle of the face is that of the picture."""
    made = image.copy()
    made[int(image.shape[0] * 0.5) : int(image.shape[0] * 0.68)] = (225, 230, 232)
    return made


def _blurred(image: Picture, *, sigma_px: float) -> Picture:
    return cv2.GaussianBlur(image, (0, 0), sigma_px)


def _lit(image: Picture, *, share: float) -> Picture:
    return np.clip(image * share, 0, 255).astype(np.uint8)


def conditions() -> Iterator[tuple[str, dict[str, object]]]:
    """What else is varied, at faces of 30 and 80 pixels."""
    for turn in (45, 90, 180):
        yield f"turned by {turn}°", {"turn_deg": float(turn)}
    for sigma in (1.5, 3.0):
        yield f"out of focus by {sigma:g} px", {"afterwards": partial(_blurred, sigma_px=sigma)}
    for share in (0.15, 0.4, 1.8):
        yield f"light times {share:g}", {"afterwards": partial(_lit, share=share)}
    yield "lower half behind a mask", {"change": _masked}


def not_faces(backgrounds: Sequence[Path]) -> str:
    """What is covered in recordings without faces."""
    seconds, found, pictures, some, area = 0.0, 0, 0, 0, 0.0
    for path in backgrounds:
        index = read_index(path)
        times_s = index.sample_times(rate_hz=RATE_HZ)
        tracks = face_tracks(path, index, times_s)
        seconds, found, pictures = seconds + index.end_s, found + len(tracks), pictures + len(times_s)
        for time_s in times_s:
            boxes = covered_at(tracks, time_s)
            filled = covered(np.zeros((90, 120, 3), np.uint8), boxes)[..., 0] > 0
            some, area = some + bool(len(boxes)), area + filled.mean()
    return (
        f"{seconds:.0f} s without faces: {60 * found / seconds:.1f} taken for faces a minute; "
        f"{100 * some / pictures:.1f} % of the pictures have something covered, on average "
        f"{100 * area / pictures:.2f} % of a picture"
    )


def cost(source: Path) -> Iterator[str]:
    """Seconds of video a CPU second of making the desk's copy, plain and with faces covered."""
    index = read_index(source)
    times_s = np.arange(0, min(index.end_s, 12.0), 1 / 25)
    images = np.concatenate([c.images for c in frames_at(source, index, times_s, short_side=320)])
    with tempfile.TemporaryDirectory() as name:
        for width, height in ((480, 320), (1280, 720), (1920, 1080)):
            path = Path(name) / f"{height}.mp4"
            write_h264(path, (cv2.resize(image, (width, height)) for image in images), fps=25)
            took = []
            for what in (UNCOVERED, Covering(faces=True)):
                begun = time.process_time()
                proxy(path, Path(name), f"of{height}", what)
                took.append(time.process_time() - begun)
            yield f"| {width} x {height} | {' | '.join(f'{times_s[-1] / one:.1f}' for one in took)} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wheels", type=Path, required=True)
    parser.add_argument("--backgrounds", type=Path, required=True, help="recordings without faces")
    parser.add_argument("--most", type=int, default=6, help="so many of them")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    faces, rng = known_faces(options.wheels), np.random.default_rng(options.seed)
    backgrounds = sorted(options.backgrounds.glob("*.mp4"))[: options.most]
    print(
        f"\n{len(faces)} known faces\n\n| height of the face | pictures | alone | tracked | never covered |"
    )
    print("|---|--:|--:|--:|--:|")
    for size_px in SIZES_PX:
        print(missed(faces, backgrounds, rng, size_px=size_px).row(f"{size_px} px"), flush=True)
    for name, options_ in conditions():
        for size_px in (30, 80):
            found = missed(faces, backgrounds, rng, size_px=size_px, ways=1, **options_)  # type: ignore[arg-type]
            print(found.row(f"{size_px} px, {name}"), flush=True)
    print(f"\n{not_faces(backgrounds)}\n")
    print("| recording | plain | faces covered |\n|---|--:|--:|")
    for row in cost(backgrounds[0]):
        print(row, flush=True)


if __name__ == "__main__":
    main()
