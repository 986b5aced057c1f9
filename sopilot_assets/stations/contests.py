"""What people say against a verdict, put on its page and into the list as soon as they say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sopilot_assets.labels.contests import contested
from sopilot_assets.labels.events import LabelEvent
from sopilot_assets.labels.saying import Answered, say_of_result
from sopilot_assets.scoring.result import Objection
from sopilot_assets.scoring.review.contest import with_contest
from sopilot_assets.stations.review_index import write_review_index
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.publish import local_path, only_writer, publish_text
from sopilot_assets.store.shared import at_hand


def show_contests(home: Home, keys: Iterable[str]) -> None:
    """Bring the pages of these recordings, and the list of all, to what is contested now."""
    wanted = sorted(set(keys))
    if not wanted:
        return
    with only_writer(home.reviews / ".contests.lock"):
        objections = contested(home)
        changed = [key for key in wanted if _shown(home, key, objections)]
    if changed:
        write_review_index(home)


def say_and_show(
    home: Home, key: PartitionKey, said: Answered, *, row_id: str, who: str, at: str
) -> list[LabelEvent]:
    """Append what a person says of a result (see `say_of_result`), and put on its page what is contested."""
    events = say_of_result(home, key, said, row_id=row_id, who=who, at=at)
    if events:
        show_contests(home, [str(key)])
    return events


def _shown(home: Home, key: str, objections: Mapping[str, tuple[Objection, ...]]) -> bool:
    """Whether the page of a recording had to be changed; one that is made when somebody looks will say it."""
    page = at_hand(local_path(home.review(key)))
    if not page.exists():
        return True
    before = page.read_text(encoding="utf-8")
    after = with_contest(before, objections.get(key, ()))
    if after != before:
        publish_text(page, after)
    return after != before
