"""What is shown of a recording with a face is covered where it has to be, and what is judged never."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.evidence.stills import error_stills
from sopilot_assets.people.export import export_person
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.alignments import align_videos
from sopilot_assets.stations.clip_embeddings import embed_videos
from sopilot_assets.stations.marking_media import film_of, strip_of
from sopilot_assets.stations.media import make_stills, make_video, shown_as_filmed, still_of, video_of
from sopilot_assets.stations.scores import score_videos
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_text
from sopilot_assets.tasks import new_task
from sopilot_assets.video.frames import frames_at
from sopilot_assets.video.probe import read_index
from sopilot_assets_tests.evidence.made_up_study import TASK
from sopilot_assets_tests.evidence.test_cases import register
from sopilot_assets_tests.privacy.faces import middle_of_face, with_portrait
from sopilot_assets_tests.stations.small_homes import AT

WHERE = {"left": 20, "top": 20, "height": 80}
EVERYWHERE = "privacy: {blur_faces: everywhere}\n"
MASKED = "  masked_regions: [{left: 0.0, top: 0.0, width: 0.5, height: 0.9}]"


@pytest.fixture
def home(tmp_path: Path, tiny_video: Callable[..., Path]) -> Home:
    """A home with a recording of a second in which a face is seen."""
    made = Home.at(tmp_path / "home")
    new_task(made.root, TASK, name="A task")
    register(made, {"duration_s": 1.0})
    (stored,) = [one.stored_name for one in Registry.read(made).recordings.values()]
    face = lambda _, image: with_portrait(image, **WHERE)  # noqa: E731 - a name for one line
    tiny_video(local_path(made.videos) / stored, seconds=1.0, fps=10, picture=face)
    return made


def recording(home: Home) -> Recording:
    (one,) = Registry.read(home).recordings.values()
    return one


def mask(home: Home, task_id: str = TASK) -> None:
    """Let the task mask where the face is."""
    path = local_path(home.tasks) / f"{task_id}.yaml"
    path.write_text(path.read_text("utf-8").replace("  masked_regions: []", MASKED), "utf-8")


def is_plain(image: NDArray[np.uint8]) -> bool:
    """Whether the face's middle is filled with one colour, as far as encoding leaves it so."""
    row, column = (round(place * image.shape[0] / 120) for place in middle_of_face(**WHERE))
    there = image[row - 2 : row + 3, column - 2 : column + 3].astype(int)
    return bool(np.abs(there - 128).max() < 6)


def still(home: Home) -> NDArray[np.uint8]:
    make_stills(home, [(recording(home), 500)])
    path = still_of(home, recording(home).key, 500).path
    assert path is not None
    return np.asarray(Image.open(path))


def played(home: Home) -> tuple[Path, NDArray[np.uint8]]:
    make_video(home, recording(home))
    path = video_of(home, recording(home)).path
    assert path is not None
    chunks = frames_at(path, read_index(path), np.array([0.5]), short_side=120)
    return path, next(iter(chunks)).images[0]


def test_in_the_house_a_recording_is_shown_as_it_was_filmed_unless_told(home: Home) -> None:
    path, picture = played(home)
    assert path == local_path(home.videos) / recording(home).stored_name
    assert not is_plain(picture)
    assert not is_plain(still(home))
    assert shown_as_filmed(home, recording(home).stored_name)


def test_with_faces_covered_everywhere_everything_is_made_anew_and_covered(home: Home) -> None:
    assert not is_plain(still(home))
    assert film_of(home, recording(home)).itself
    publish_text(home.root / "settings.yaml", EVERYWHERE)
    assert still_of(home, recording(home).key, 500).waits
    path, picture = played(home)
    assert path.parent == local_path(home.proxies)
    assert is_plain(picture)
    assert is_plain(still(home))
    assert not film_of(home, recording(home)).itself
    assert not shown_as_filmed(home, recording(home).stored_name)


def test_a_masked_region_is_covered_in_all_that_is_shown(home: Home) -> None:
    mask(home)
    assert is_plain(still(home))
    assert is_plain(played(home)[1])
    with Image.open(strip_of(home, recording(home))) as strip:
        film = film_of(home, recording(home))
        assert is_plain(np.asarray(strip)[: film.height, : film.width])
    assert not shown_as_filmed(home, recording(home).stored_name)


@pytest.mark.parametrize(("settings", "covered"), [("", True), ("privacy: {blur_faces: nowhere}\n", False)])
def test_pictures_of_errors_go_out_covered_unless_told(
    home: Home, tmp_path: Path, settings: str, covered: bool
) -> None:
    publish_text(home.root / "settings.yaml", settings or "{}\n")
    stills, lacking = error_stills(home, {str(recording(home).key): []}, processes=1)
    assert not lacking
    for number, content in enumerate(stills.values()):
        (tmp_path / f"{number}.jpg").write_bytes(content)
        assert is_plain(np.asarray(Image.open(tmp_path / f"{number}.jpg"))) == covered


def test_a_person_gets_their_own_recording_without_what_the_task_masks(home: Home, tmp_path: Path) -> None:
    person = str(recording(home).person)
    for masked in (False, True):
        if masked:
            mask(home)
        export_person(home, person, tmp_path / "all.zip")
        with zipfile.ZipFile(tmp_path / "all.zip") as archive:
            (name,) = [name for name in archive.namelist() if "/videos/" in name]
            path = Path(archive.extract(name, tmp_path / "out"))
        chunks = frames_at(path, read_index(path), np.array([0.5]), short_side=120)
        assert is_plain(next(iter(chunks)).images[0]) == masked


def test_what_is_judged_is_the_same_to_the_byte(embedded_original: Home, tmp_path: Path) -> None:
    results = []
    for name, settings in (("open", "privacy: {blur_faces: nowhere}\n"), ("covered", EVERYWHERE)):
        home = Home.at(shutil.copytree(str(embedded_original.root), tmp_path / name))
        publish_text(home.root / "settings.yaml", settings)
        if settings == EVERYWHERE:
            mask(home, "filter_change")
        key = next(key for key in Registry.read(home).recordings if key.role == "trainee")
        for path in local_path(home.root / "embeddings").rglob(f"*{key.video_id}*"):
            path.unlink()
        embed_videos(home, [key], processes=1, run_id="again", written_at=AT)
        align_videos(home, [key])
        score_videos(home, [key], run_id="again", written_at=AT)
        page = local_path(home.review(key)).read_text("utf-8")
        assert ("../videos/" in page) == (settings != EVERYWHERE)
        files = sorted(path for path in local_path(home.root / "embeddings").rglob("*.npz"))
        rows = scores_ledger(home).latest().drop(columns=["written_at"]).to_json()
        results.append(([path.read_bytes() for path in files], rows))
    assert results[0][0]
    assert results[0] == results[1]
