"""Erasing one person, from the plan to the tombstone.

The plan is written down first, then the events that an erasure has begun, and the rows by which nobody takes
in, judges or shows these recordings any more. Then everything goes, place by place; whatever was killed can
be done again from the beginning. The last events are the tombstones, and then the plan goes too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.capture.erasures import (
    ErasureChange,
    ErasureDraft,
    erased_hashes,
    erasures,
    erasures_chain,
)
from sopilot_assets.capture.ledgers import ERASED, changed_row, videos_ledger
from sopilot_assets.capture.lock import only_intake
from sopilot_assets.capture.registry import Registry
from sopilot_assets.errors import ErasureError
from sopilot_assets.stations.review_index import write_review_index
from sopilot_assets.store.home import VIDEO_ID_DIGITS, Home, PartitionKey
from sopilot_assets.store.publish import local_path, only_writer, sweep_unfinished
from sopilot_assets.upkeep.backup.history import backups_ledger
from sopilot_assets.upkeep.backup.snapshot import stamp_of
from sopilot_assets.upkeep.erasing.databases import ShownInEvents, clean_dagster, clean_database
from sopilot_assets.upkeep.erasing.desk import forget_accounts
from sopilot_assets.upkeep.erasing.files import (
    FoundFile,
    files_of,
    forget_taken,
    left_behind,
    remove_files,
    uploads_of,
)
from sopilot_assets.upkeep.erasing.names import own_names
from sopilot_assets.upkeep.erasing.plan import (
    ErasurePlan,
    drop_plan,
    plan_of,
    save_plan,
    saved_plan,
    saved_plans,
)
from sopilot_assets.upkeep.erasing.rows import NAMES, without_names
from sopilot_assets.upkeep.erasing.texts import REMOVED, NamesInText, clean_texts

with at_first_use():  # dossiers compute, and most nights there is nothing to erase
    from sopilot_assets.upkeep.erasing import dossiers as in_dossiers

UNFINISHED_S: Final = 600.0
"""Unfinished files older than this belong to nobody who is still at work."""

Step = Callable[[str], None]
"""Told what is done next."""


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What an erasure removes, or would: files and bytes by the folder they lie in, cells of databases, rows,
    texts, dossiers. ``waits_for`` are runs that may still make something of these recordings: until they
    have ended and the erasure was called again it is not done.
    """

    plan: ErasurePlan
    files: Mapping[str, tuple[int, int]]
    dossiers: tuple[str, ...]
    rows: int = 0
    texts: int = 0
    cells: int = 0
    waits_for: tuple[str, ...] = ()


def preview(home: Home, person: str, *, who: str, why: str, at: datetime) -> ErasureReport:
    """What the erasure of a person would remove; nothing is changed. Raises `ErasureError` where nothing of
    the person is there.
    """
    plan = plan_of(home, person, who=who, why=why, at=at)
    _refuse_nobody(home, plan)
    return ErasureReport(plan, _counted(files_of(home, plan)), _named(home, plan))


def erase_person(
    home: Home,
    person: str,
    *,
    who: str,
    why: str,
    clock: Callable[[], datetime],
    run_id: str,
    golds: bool = False,
    begun_only: bool = False,
    working: Sequence[str] = (),
    on_step: Step = lambda _: None,
) -> ErasureReport:
    """Erase a person, or go on with an erasure that was begun; what was removed. With ``begun_only`` what
    became theirs since it was begun stays.

    ``golds`` has to be said where recordings of theirs are golds: what was made of these goes too, and others
    are judged anew. ``working`` are runs that have begun and not ended; ``clock`` gives the time. Raises
    `ErasureError` where nothing of the person is there, for golds that were not said, and where a place
    cannot be changed now; the same call goes on then.
    """
    with only_writer(home.erasing / ".lock"):
        with only_intake(home, wait=True):
            begun = saved_plan(home, person) if begun_only else None
            plan = begun or plan_of(home, person, who=who, why=why, at=clock())
            plan, files = _begin(home, plan, at=clock(), run_id=run_id, golds=golds)
        report = _erase(home, plan, at=clock(), before=files, on_step=on_step)
        if working:
            return replace(report, waits_for=tuple(working))
        # backups that were begun before this moment may hold something of it
        _tell(home, plan, ErasureChange.ERASED, at=_after_backups(home, clock()), run_id=run_id)
        drop_plan(home, plan)
    return report


def finish_erasures(
    home: Home, *, clock: Callable[[], datetime], run_id: str, working: Sequence[str] = ()
) -> list[str]:
    """Go on with all erasures that were begun, and remove what was made meanwhile of recordings that are
    erased; returns the persons whose erasure is done with this.
    """
    done = []
    for plan in list(saved_plans(home)):
        report = erase_person(
            home,
            plan.person,
            who=plan.who,
            why=plan.why,
            clock=clock,
            run_id=run_id,
            golds=True,
            begun_only=True,
            working=working,
        )
        done += [] if report.waits_for else [plan.person]
    gone = {sha256[:VIDEO_ID_DIGITS] for sha256 in erased_hashes(erasures(home))}
    if gone:
        remove_files(left_behind(home, gone))
    return done


def _begin(
    home: Home, plan: ErasurePlan, *, at: datetime, run_id: str, golds: bool
) -> tuple[ErasurePlan, list[FoundFile]]:
    """The plan, written down, with its recordings out of everybody's sight; and the files that went.

    Whoever calls this is the only intake, since nobody may take in what is removed.
    """
    _refuse_nobody(home, plan)
    if plan.golds and not golds:
        raise ErasureError(_golds_text(plan))
    files = files_of(home, plan)
    named = own_names(
        home,
        plan.keys,
        files=[one.path for one in files],
        uploads=uploads_of(home, plan.person, plan.removed_accounts),
    )
    plan = replace(plan, names=tuple(sorted({*plan.names, *named})))
    save_plan(home, plan)
    _tell(home, plan, ErasureChange.BEGUN, at=at, run_id=run_id)
    registry = Registry.read(home)
    rows = []
    for one in plan.recordings:
        row = registry[PartitionKey.parse(one.key)].row
        if row["status"] != ERASED:
            nameless = {name: REMOVED for name in NAMES if row[name] is not None}
            change = {**nameless, "status": ERASED}
            rows.append(changed_row(row, change, who=plan.who, at=plan.at, why=plan.why))
    videos_ledger(home).append(rows, run_id=run_id, written_at=at.isoformat())
    forget_taken(home, plan.keys)
    remove_files(files)
    return plan, files


def _erase(
    home: Home, plan: ErasurePlan, *, at: datetime, before: Sequence[FoundFile], on_step: Step
) -> ErasureReport:
    """Remove everything else; the same again removes nothing. ``before`` are the files that went already."""
    names = NamesInText(plan.names)
    on_step("dossiers")
    dossiers = in_dossiers.dossiers_with(home, plan)
    for folder in dossiers:
        in_dossiers.erase_in_dossier(home, folder, plan)
    on_step("rows")
    rows = without_names(home, plan.keys, names)
    on_step("reports and logs")
    texts = clean_texts(home, names, {one.video_id for one in plan.golds})
    on_step("accounts")
    forget_accounts(local_path(home.desk_database), plan.accounts, person=plan.person)
    on_step("Dagster's databases")
    shown = ShownInEvents(plan.keys, _beside_golds(home, plan), NamesInText(plan.names, (plan.person,)))
    cells = clean_dagster(home, shown.cleaned)
    if local_path(home.desk_database).exists():
        clean_database(local_path(home.desk_database), lambda text: text)
    on_step("files")
    # once more: whoever looked at one of them may have made a picture meanwhile
    files = files_of(home, plan)
    remove_files(files)
    sweep_unfinished(home.root, older_than_s=UNFINISHED_S, now_s=at.timestamp())
    write_review_index(home)
    return ErasureReport(
        plan,
        _counted([*before, *files]),
        tuple(folder.name for folder in dossiers),
        rows=rows,
        texts=texts,
        cells=cells,
    )


def _beside_golds(home: Home, plan: ErasurePlan) -> frozenset[str]:
    """The keys of all recordings whose scores may ever have been shown beside a gold of this person; their
    pages need not be there any more.
    """
    tasks = {one.task_id for one in plan.golds}
    return frozenset(str(key) for key in Registry.read(home).recordings if key.task_id in tasks)


def _after_backups(home: Home, at: datetime) -> datetime:
    """The moment, or that of the newest backup where a clock was ahead then."""
    newest = backups_ledger(home).query("select max(backup) as name from all_rows")["name"].iloc[0]
    return max(at, stamp_of(newest)) if isinstance(newest, str) else at


def _tell(home: Home, plan: ErasurePlan, change: ErasureChange, *, at: datetime, run_id: str) -> None:
    """The events of all recordings; those that are there already are not told again."""
    when = plan.at if change is ErasureChange.BEGUN else at.isoformat()
    drafts = [
        ErasureDraft(
            task_id=one.task_id,
            at=when,
            key=one.key,
            sha256=one.sha256,
            who=plan.who,
            change=change,
            why=plan.why,
        )
        for one in plan.recordings
    ]
    erasures_chain(home).append(drafts, run_id=run_id, written_at=at.isoformat())


def _refuse_nobody(home: Home, plan: ErasurePlan) -> None:
    if plan.empty and not files_of(home, plan):
        known = erasures(home)
        registry = Registry.read(home).recordings.values()
        gone = [
            known[str(one.key)] for one in registry if one.person == plan.person and str(one.key) in known
        ]
        told = (
            f" {len(gone)} recordings of {plan.person} were erased at {max(one.at for one in gone)}."
            if gone
            else ""
        )
        raise ErasureError(
            f"person {plan.person}: expected recordings, dropped files or an account at the desk, found "
            f"none.{told} `sopilot person list` shows whose recordings there are."
        )


def _golds_text(plan: ErasurePlan) -> str:
    tasks = ", ".join(sorted({one.task_id for one in plan.golds}))
    return (
        f"person {plan.person}: {len(plan.golds)} of their {len(plan.recordings)} recordings are or were "
        f"golds ({tasks}). With them go the references that were made of them: others have to be judged "
        f"anew, and their old scores stay and are stale. {len(plan.pages)} pages of others show these golds "
        "and go too. Add golds of somebody else first where too few are left, then call the command with "
        "--golds. Nothing was changed."
    )


def _counted(files: Iterable[FoundFile]) -> dict[str, tuple[int, int]]:
    """How many files and bytes, by the folder of the home."""
    several = list({one.path: one for one in files}.values())
    numbers, sizes = Counter(one.kind for one in several), Counter[str]()
    for one in several:
        sizes[one.kind] += one.size_bytes
    return {kind: (numbers[kind], sizes[kind]) for kind in sorted(numbers)}


def _named(home: Home, plan: ErasurePlan) -> tuple[str, ...]:
    return tuple(folder.name for folder in in_dossiers.dossiers_with(home, plan))
