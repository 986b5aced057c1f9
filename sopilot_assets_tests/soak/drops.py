"""What is dropped during a soak: good recordings, each of its own, and files that must not get in."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sopilot_assets.capture.simulate.dataset import SimulatedSet, simulate
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import file_sha256
from sopilot_assets_tests.capture.bad_files import ACCEPTED, Ends, _cut, _not_videos
from sopilot_assets_tests.soak.way import TASK

VARIANTS = ("correct", "missing_step:one", "order_swap", "over_time:slow")


@dataclass(frozen=True, slots=True)
class Drop:
    """A file to be dropped: its SHA-256, and what must become of it (reasons; none for a good one)."""

    path: Path
    sha256: str
    reasons: frozenset[str] = frozenset()

    @property
    def is_good(self) -> bool:
        """Whether it has to be scored."""
        return not self.reasons

    def into(self, home: Home, *, subfolder: str = "trainee/site_a") -> None:
        """Copy it into the capture folder, complete from the first moment it has its name."""
        folder = Path(str(home.capture)) / TASK / subfolder
        folder.mkdir(parents=True, exist_ok=True)
        sidecar = self.path.with_name(f"{self.path.name}.json")
        for source in (sidecar, self.path):
            if source.exists():
                coming = folder / f".{source.name}.coming"
                shutil.copyfile(source, coming)
                coming.rename(folder / source.name)


def good_set(folder: Path, *, seed: int, trainees: int) -> tuple[SimulatedSet, list[Drop], list[Drop]]:
    """A simulated set, its golds and its trainee recordings; the same seed gives the same bytes."""
    made = simulate(
        folder,
        seed=seed,
        golds=3,
        trainees=trainees,
        variants=VARIANTS,
        sites=("site_a",),
        size=(160, 120),
        fps=6,
        step_seconds=4.0,
    )
    golds, others = (
        [Drop(path, file_sha256(path)) for path in paths] for paths in (made.golds, made.trainees)
    )
    return made, golds, others


def bad_set(folder: Path) -> list[Drop]:
    """Files that are no recordings, and cut ones, each with the reasons that are right for it."""
    here, outside = folder / "bad", folder / "outside"
    here.mkdir(parents=True)
    outside.mkdir()
    found = [*_bad(_not_videos(here)), *_bad(_cut(here, outside))]
    # the same bytes twice would be a file that was refused before
    return list({drop.sha256: drop for drop in found}.values())


def _bad(ends: Ends) -> Iterable[Drop]:
    for path, end in ends:
        reasons = frozenset(map(str, end if isinstance(end, frozenset) else {end}))
        if ACCEPTED not in reasons:
            yield Drop(path, file_sha256(path), reasons)
