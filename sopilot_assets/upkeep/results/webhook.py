"""One result by HTTP POST, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sopilot_assets.scoring.told import told_in_full
from sopilot_assets.settings import WebhookSettings
from sopilot_assets.store.ledgers import Row
from sopilot_assets.upkeep.delivery.posting import post_to_webhook
from sopilot_assets.upkeep.results.standing import ResultParcel

_ABOUT: Final = ("site", "camera")
_PERSONS: Final = {"person": "person", "file": "original_name", "session": "session"}


@dataclass(frozen=True, slots=True)
class ResultWebhook:
    """The channel ``webhook``; ``desk`` is where people open the desk, ``persons`` whether it is told who was
    filmed.
    """

    settings: WebhookSettings
    environment: Mapping[str, str]
    installation: str
    desk: str
    persons: bool
    name: str = "webhook"

    def send(self, parcel: ResultParcel, now: datetime) -> str:
        """A note about what the service answered, see `post_to_webhook`."""
        return post_to_webhook(
            self.settings, self.environment, delivery_id=parcel.id, body=self.body(parcel), now=now
        )

    def test(self, now: datetime) -> str:
        """The same of a message that says that messages arrive."""
        body = {"id": f"test-{now.isoformat()}", "event": "test", "installation": self.installation}
        return post_to_webhook(
            self.settings, self.environment, delivery_id=str(body["id"]), body=body, now=now
        )

    def body(self, parcel: ResultParcel) -> dict[str, object]:
        """What is posted."""
        return {
            "id": parcel.id,
            "event": _event(parcel),
            "at": parcel.at,
            "installation": self.installation,
            "recording": parcel.key,
            "supersedes": list(parcel.supersedes),
            **({"result": None} if parcel.row is None else self._result(parcel.row)),
            "links": {
                "page": f"{self.desk}/recordings/{parcel.key}",
                "api": f"{self.desk}/api/v1/recordings/{parcel.key}",
            },
        }

    def _result(self, row: Row) -> dict[str, object]:
        told = {name: row[column] for name, column in _PERSONS.items()} if self.persons else {}
        return {
            "task": row["task_id"],
            **{name: row[name] for name in _ABOUT},
            **told,
            "result": told_in_full(row, names=self.persons),
        }


def _event(parcel: ResultParcel) -> str:
    if parcel.row is None:
        return "result.withdrawn"
    return "result.changed" if parcel.supersedes else "result.decided"
