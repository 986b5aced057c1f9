"""A real face to put into pictures: NASA's portrait of the astronaut Eileen Collins, in the public domain."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PORTRAIT: Final = Path(__file__).with_name("astronaut.jpg")
FACE: Final = (0.28, 0.22, 0.67, 0.70)
"""Where the face is in the portrait: left, top, right and bottom as shares of it."""

Picture = NDArray[np.uint8]


def portrait(height: int) -> Picture:
    """The portrait so many pixels high; the face is about half of that."""
    with Image.open(PORTRAIT) as image:
        return np.asarray(image.convert("RGB").resize((round(height * image.width / image.height), height)))


def with_portrait(picture: Picture, *, left: int, top: int, height: int) -> Picture:
    """The picture with the portrait in it."""
    made, face = picture.copy(), portrait(height)
    made[top : top + height, left : left + face.shape[1]] = face
    return made


def middle_of_face(*, left: int, top: int, height: int) -> tuple[int, int]:
    """The row and column at which `with_portrait` puts the middle of the face."""
    width = portrait(height).shape[1]
    return round(top + (FACE[1] + FACE[3]) / 2 * height), round(left + (FACE[0] + FACE[2]) / 2 * width)
