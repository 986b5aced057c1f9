"""Results as xAPI statements (ADL xAPI 1.0.3; the same are valid by IEEE 9274.1.1-2023, xAPI 2.0).

A statement is never changed: when a result changes, the new one is sent and the one before is voided. Ids are
UUIDs (version 5) of what is told, so that a store which is told twice keeps one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit
from uuid import NAMESPACE_URL, uuid5

from sopilot_assets.errors import ConfigError
from sopilot_assets.scoring.result import Decision
from sopilot_assets.scoring.told import told_in_full
from sopilot_assets.settings import THIS_MACHINE, XapiSettings
from sopilot_assets.store.ledgers import Row
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.upkeep.delivery.outbox import DeliveryError
from sopilot_assets.upkeep.delivery.posting import address_in, send
from sopilot_assets.upkeep.delivery.secrets import secret
from sopilot_assets.upkeep.results.standing import ResultParcel

Statement = dict[str, Any]

_ADL: Final = "http://adlnet.gov/expapi"
_WORDS: Final = {
    "passed": {"en-US": "passed", "ja-JP": "合格した"},
    "failed": {"en-US": "failed", "ja-JP": "不合格になった"},
    "scored": {"en-US": "scored", "ja-JP": "得点した"},
    "attempted": {"en-US": "attempted", "ja-JP": "試みた"},
    "voided": {"en-US": "voided", "ja-JP": "取り消した"},
}
_SUCCESS: Final = {Decision.PASS: True, Decision.RETRAIN: False, Decision.FAIL: False}
"""What was decided about the person; the other decisions say that nothing was."""
_CONFLICT: Final = 409


@dataclass(frozen=True, slots=True)
class XapiChannel:
    """The channel ``xapi``: a learning record store. ``persons`` says whether the actor is the person code of
    the recording; else it is the recording itself. ``tasks`` are those that have a name.
    """

    settings: XapiSettings
    environment: Mapping[str, str]
    persons: bool
    tasks: Mapping[str, TaskSpec]
    name: str = "xapi"

    def send(self, parcel: ResultParcel, now: datetime) -> str:
        """A note about what the store answered. Raises ``DeliveryError`` where it did not take a statement,
        and ``ConfigError`` where a variable holds nothing that can be used.

        The new statement goes before the voiding ones, so that a store is never without a result.
        """
        del now  # a statement says when it was decided, whenever it is sent
        url, headers = self._endpoint()
        said = [self._put(url, headers, one) for one in self.statements(parcel)]
        return ", ".join(said) or "nothing to void"

    def test(self, now: datetime) -> str:
        """What the store answers when it is asked for its newest statement; none is sent."""
        del now
        url, headers = self._endpoint()
        return f"HTTP {send(f'{url}?limit=1', 'GET', None, headers, timeout_s=self.settings.timeout_s)}"

    def statements(self, parcel: ResultParcel) -> Iterator[Statement]:
        """What the store is to keep: the result, and the voiding of what it supersedes."""
        if parcel.row is not None:
            yield self._result(parcel, parcel.row)
        for one in parcel.supersedes:
            yield self._voiding(one, parcel)

    def _put(self, url: str, headers: Mapping[str, str], statement: Statement) -> str:
        address = f"{url}?statementId={statement['id']}"
        try:
            body = json.dumps(statement).encode()
            return f"HTTP {send(address, 'PUT', body, headers, timeout_s=self.settings.timeout_s)}"
        except DeliveryError as error:
            if error.status != _CONFLICT:
                raise
            # it has a statement of this id already, from a try before which some setting was another
            return "HTTP 409, it has it already"

    def _endpoint(self) -> tuple[str, dict[str, str]]:
        settings, environment = self.settings, self.environment
        url = address_in(settings.url_env, environment, purpose="the endpoint of the record store")
        name = secret(settings.username_env, environment, purpose="the record store's user name")
        password = secret(settings.password_env, environment, purpose="the record store's password")
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in THIS_MACHINE:
            raise ConfigError(
                f"variable {settings.url_env}: expected an address that begins with https://, since the "
                "password would go over the network in clear. Correct it where Dagster is started."
            )
        basic = base64.b64encode(f"{name}:{password}".encode()).decode()
        return f"{url.rstrip('/')}/statements", {
            "Authorization": f"Basic {basic}",
            "Content-Type": "application/json",
            "X-Experience-API-Version": settings.version,
        }

    def _result(self, parcel: ResultParcel, row: Row) -> Statement:
        told, site = told_in_full(row, names=self.persons), self.settings.site
        task, name = f"{site}/tasks/{row['task_id']}", self._task_name(str(row["task_id"]))
        version = told["task_version"]  # None in results of before versions were noted
        decision = Decision(str(told["decision"]))
        return {
            "id": self._id(parcel.id),
            "actor": self._actor(parcel.key, row),
            "verb": _verb(_verb_of(decision, told["score"])),
            "object": _activity(task if version is None else f"{task}/versions/{version}", name),
            "result": {
                **_success(decision),
                **_score(told["score"]),
                "response": decision.value,
                "extensions": {f"{site}/xapi/result": told},
            },
            "context": {
                "registration": str(uuid5(NAMESPACE_URL, f"{site}/recordings/{parcel.key}")),
                "platform": "SOPilot",
                "contextActivities": {"parent": [_activity(task, name)]},
                "extensions": {
                    f"{site}/xapi/recording": parcel.key,
                    **({f"{site}/xapi/place": row["site"]} if row["site"] else {}),
                },
            },
            "timestamp": _in_utc(parcel.at),
        }

    def _voiding(self, superseded: str, parcel: ResultParcel) -> Statement:
        site = self.settings.site
        return {
            "id": self._id(f"voided {superseded}"),
            "actor": _account(site, "sopilot"),
            "verb": _verb("voided"),
            "object": {"objectType": "StatementRef", "id": self._id(superseded)},
            "timestamp": _in_utc(parcel.at),
        }

    def _task_name(self, task_id: str) -> dict[str, str]:
        task = self.tasks.get(task_id)
        if task is None:
            return {"und": task_id}
        return {"en-US": task.name, **({"ja-JP": task.name_ja} if task.name_ja else {})}

    def _actor(self, key: str, row: Row) -> Statement:
        person = row["person"] if self.persons else None
        name = f"recording:{key}" if person is None else str(person)
        return _account(self.settings.site, name)

    def _id(self, what: str) -> str:
        return str(uuid5(NAMESPACE_URL, f"{self.settings.site}/xapi/{what}"))


def _account(site: str, name: str) -> Statement:
    return {"objectType": "Agent", "account": {"homePage": site, "name": name}}


def _activity(address: str, name: Mapping[str, str]) -> Statement:
    kind = f"{_ADL}/activities/performance"
    return {
        "objectType": "Activity",
        "id": quote(address, safe=":/"),
        "definition": {"type": kind, "name": dict(name)},
    }


def _verb(name: str) -> Statement:
    return {"id": f"{_ADL}/verbs/{name}", "display": _WORDS[name]}


def _verb_of(decision: Decision, score: float | None) -> str:
    if decision in _SUCCESS:
        return "passed" if _SUCCESS[decision] else "failed"
    return "attempted" if score is None else "scored"


def _success(decision: Decision) -> Statement:
    return {"success": _SUCCESS[decision]} if decision in _SUCCESS else {}


def _score(points: float | None) -> Statement:
    if points is None:
        return {}
    return {"score": {"scaled": round(points / 100, 6), "raw": points, "min": 0, "max": 100}}


def _in_utc(moment: str) -> str:
    at = datetime.fromisoformat(moment)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
