"""Who may see which recording: asked by every page and every file about one."""

from __future__ import annotations

from starlette.responses import Response

from sopilot_assets.capture.registry import Recording, registered_recording
from sopilot_assets.desk.accounts import Account
from sopilot_assets.desk.call import Call
from sopilot_assets.desk.roles import TRAINERS, Role
from sopilot_assets.desk.routing import failed
from sopilot_assets.errors import ConfigError
from sopilot_assets.labels.events import LabelEvent
from sopilot_assets.labels.saying import has_labeled
from sopilot_assets.stations.recording_list import Eyes, list_choices
from sopilot_assets.store.home import PartitionKey
from sopilot_assets.texts.languages import Text


def eyes_of(account: Account) -> Eyes:
    """What a list shows to an account."""
    if account.role is Role.TRAINEE:
        return Eyes(own_only=True, person=account.person)
    return Eyes(rater=account.who if account.role is Role.RATER else None)


def visible_recording(call: Call) -> Recording | None:
    """The recording that the path names; None where there is none, or none for who asks: a trainee sees the
    recordings of their own person code, and nobody but trainers those that count no more.
    """
    recording = _named(call)
    if recording is None or not _counts(call, recording):
        return None
    return recording if call.who.role is not Role.TRAINEE or _is_own(call, recording) else None


def playable_recording(call: Call) -> Recording | None:
    """The same for its video and pictures: a trainee also sees golds of the tasks they have recordings of."""
    recording = _named(call)
    if recording is None or not _counts(call, recording):
        return None
    if call.who.role is not Role.TRAINEE or _is_own(call, recording):
        return recording
    of_their_tasks = recording.task_id in list_choices(call.home, eyes_of(call.who)).tasks
    return recording if recording.role == "gold" and of_their_tasks else None


def hides_result(call: Call, recording: Recording, events: list[LabelEvent]) -> bool:
    """Whether who asks has yet to label the recording, of which ``events`` are what was said."""
    yet = call.who.role is Role.RATER and recording.key.role == "trainee"
    return yet and not has_labeled(events, call.who.who)


def not_there(call: Call) -> Response:
    """The answer where there is no such recording for who asks; it does not say which of the two."""
    return failed(call, 404, Text("There is no such recording.", "該当する録画はありません。"))


def _named(call: Call) -> Recording | None:
    try:
        key = PartitionKey.parse(call.param("key"))
    except ConfigError:  # no key of any recording
        return None
    return registered_recording(call.home, key)


def _counts(call: Call, recording: Recording) -> bool:
    return recording.retired is None or (recording.withdrawn and call.who.role in TRAINERS)


def _is_own(call: Call, recording: Recording) -> bool:
    return call.who.person is not None and recording.person == call.who.person
