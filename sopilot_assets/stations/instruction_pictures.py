"""The pictures of a work instruction: of each step of a gold the moment that shows it best.

Of a step's clips in the gold the one counts that is most like all golds' clips of that step, by the task's
reference; without one, the middle of the step. Around it the sharpest picture is taken: that with the highest
variance of the Laplacian (Pech-Pacheco et al. 2000), as quality is measured.

They are made when somebody looks, in a limited child process, and kept beside the proxies. Since instructions
are printed and handed over, what leaves the house is covered in them wherever they are shown.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image

from sopilot_assets.capture.registry import Recording, stored_file
from sopilot_assets.errors import SopilotError
from sopilot_assets.privacy.covering import Covering, shown_frames
from sopilot_assets.privacy.policy import covering_for
from sopilot_assets.processes.limited import MEMORY_LIMIT_BYTES, run_limited
from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.reference.ledger import current_reference_ids
from sopilot_assets.reference.model import Reference
from sopilot_assets.stations.gold_references import reference_of
from sopilot_assets.stations.media import VIDEO_LIMIT_S, only_maker
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_bytes, publish_text
from sopilot_assets.store.shared import at_hand
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.video.probe import read_index

PICTURE_PIXELS: Final = 480
"""The shorter side of a picture."""
AROUND_S: Final = 0.5
LOOKED_AT: Final = 9
"""So many pictures within `AROUND_S` of the moment are looked at for the sharpest."""
_QUALITY: Final = 82
_MADE_BY: Final = "instruction_pictures_v1"


@dataclass(frozen=True, slots=True)
class StepMoment:
    """Where to look for the picture of a step: its stretch in the gold and the most typical moment of it, in
    seconds.
    """

    step_id: str
    start_s: float
    end_s: float
    typical_s: float

    @property
    def times_s(self) -> list[float]:
        """The moments that are looked at, ascending, all within the step."""
        begin, end = (min(max(self.typical_s + d, self.start_s), self.end_s) for d in (-AROUND_S, AROUND_S))
        return sorted({round(float(at_s), 3) for at_s in np.linspace(begin, end, LOOKED_AT)})


@dataclass(frozen=True, slots=True)
class InstructionPictures:
    """The pictures of a gold's steps as they are made: the moment of each in seconds, by step; ``folder`` and
    ``name`` say where their files are. ``why`` is why there are none.
    """

    folder: Path
    name: str
    moments: dict[str, float]
    why: str = ""

    def file(self, step_id: str) -> Path:
        """The JPEG of a step."""
        return self.folder / f"{self.name}-{step_id}.jpg"


def pictures_made(
    home: Home, task: TaskSpec, gold: Recording, steps: Sequence[StepInterval]
) -> InstructionPictures | None:
    """The pictures of these steps of a gold; None where nobody has made them yet."""
    name = pictures_name(home, task, gold, steps)
    folder = local_path(home.proxies)
    kept = folder / f"{name}.json"
    if not kept.exists():
        return None
    told = json.loads(kept.read_text("utf-8"))
    return InstructionPictures(folder, name, told["moments"], told["why"])


def make_pictures(home: Home, task: TaskSpec, gold: Recording, steps: Sequence[StepInterval]) -> bool:
    """Make the pictures of these steps of a gold where they are not made; False, and nothing made, where
    somebody else is at it.
    """
    with only_maker(home, "instructions") as alone:
        if alone and pictures_made(home, task, gold, steps) is None:
            name, folder = pictures_name(home, task, gold, steps), local_path(home.proxies)
            moments_of, covering = _moments(home, task, gold, steps), _covering(home, task)
            work = (stored_file(home, gold), moments_of, covering, str(folder / name))
            moments, why = dict[str, float](), ""
            try:
                moments = run_limited(
                    _write, work, time_limit_s=VIDEO_LIMIT_S, memory_limit_bytes=MEMORY_LIMIT_BYTES
                )
            except SopilotError as error:
                why = home.relative_text(str(error))
            publish_text(folder / f"{name}.json", json.dumps({"moments": moments, "why": why}))
    return alone


def pictures_name(home: Home, task: TaskSpec, gold: Recording, steps: Sequence[StepInterval]) -> str:
    """What the files of these pictures begin with: a hash of what they are made of."""
    said = [
        _MADE_BY,
        current_reference_ids(home).get(task.task_id),
        task.step_ids,
        [[one.step, one.segment.start_s, one.segment.end_s] for one in steps],
    ]
    made_of = hashlib.sha256(json.dumps(said).encode("utf-8")).hexdigest()[:16]
    return f"{gold.key.video_id}-instruction-{made_of}{_covering(home, task).tag}"


def _covering(home: Home, task: TaskSpec) -> Covering:
    return covering_for(home, task.task_id, leaves_house=True)


def _moments(home: Home, task: TaskSpec, gold: Recording, steps: Sequence[StepInterval]) -> list[StepMoment]:
    """Where to look for the picture of each step; of one in several parts, in its longest part."""
    try:
        reference = reference_of(home, task)
    except SopilotError:  # a task whose golds make no reference can be shown all the same
        reference = None
    longest = dict[int, StepInterval]()
    for one in steps:
        if one.step not in longest or one.segment.duration_s > longest[one.step].segment.duration_s:
            longest[one.step] = one
    return [
        StepMoment(
            task.step_ids[step],
            one.segment.start_s,
            one.segment.end_s,
            one.segment.middle_s if reference is None else _typical_s(reference, gold.key.video_id, one),
        )
        for step, one in sorted(longest.items())
    ]


def _typical_s(reference: Reference, video_id: str, step: StepInterval) -> float:
    """The middle of the gold's clip in this stretch that is most like all golds' clips of the step; the
    stretch's own middle where no clip lies in it.
    """
    middle_s = step.segment.middle_s
    golds = [gold for gold in reference.golds if gold.video_id == video_id]
    taught = [gold.rows[gold.taught == step.step] for gold in reference.golds]
    if not golds or not sum(len(rows) for rows in taught):
        return middle_s
    middles = golds[0].embedding.clip_middle_s
    inside = np.flatnonzero((middles > step.segment.start_s) & (middles < step.segment.end_s))
    if not inside.size:
        return middle_s
    alike = golds[0].rows[inside] @ np.concatenate(taught).mean(axis=0)
    # of clips that are as good as alike, the one nearest to the middle
    best = inside[alike >= alike.max() - 1e-6]
    return float(middles[best[np.argmin(np.abs(middles[best] - middle_s))]])


def _write(source: Path, moments: Sequence[StepMoment], covering: Covering, begins: str) -> dict[str, float]:
    """Write the picture of each step; returns its moment. Runs in a child process."""
    path = at_hand(source)
    index = read_index(path)
    wanted = np.unique(
        np.clip([at for one in moments for at in one.times_s], index.begin_s, index.starts_s[-1])
    )
    short_side = min(PICTURE_PIXELS, index.probe.width, index.probe.height)
    best: dict[str, tuple[float, float, bytes]] = {}
    for chunk in shown_frames(path, index, wanted, short_side=short_side, covering=covering):
        for at_s, image in zip(chunk.times_s, chunk.images, strict=True):
            sharpness = float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())
            for one in moments:
                within = one.times_s[0] - 1e-6 <= at_s <= one.times_s[-1] + 1e-6
                if within and (one.step_id not in best or sharpness > best[one.step_id][0]):
                    best[one.step_id] = (sharpness, float(at_s), _jpeg(image))
    for step_id, (_, _, jpeg) in best.items():
        publish_bytes(Path(f"{begins}-{step_id}.jpg"), jpeg)
    return {step_id: round(at_s, 3) for step_id, (_, at_s, _) in best.items()}


def _jpeg(image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return stream.getvalue()
