"""Sending a recording by the upload protocol, as a client does it by hand."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from starlette.testclient import TestClient

from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import Step, new_task

TASK = "lid_check"
TUS = {"tus-resumable": "1.0.0"}
BYTES = {**TUS, "content-type": "application/offset+octet-stream"}
TOLD = {"filename": "take.mp4", "task": TASK, "role": "trainee", "site": "line1"}


def with_task(home: Home) -> Home:
    """The home with a procedure of two steps."""
    steps = [Step(id="open", name="Open"), Step(id="close", name="Close")]
    new_task(home.root, TASK, name="Lid check", name_ja="ふたの点検", steps=steps)
    return home


def metadata(told: Mapping[str, str]) -> str:
    """The header Upload-Metadata."""
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in told.items())


def checksum(data: bytes, algorithm: str = "sha256") -> str:
    """The header Upload-Checksum."""
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


def begun(browser: TestClient, size: int, **told: str) -> str:
    """The address of an upload that was begun."""
    headers = {**TUS, "upload-length": str(size), "upload-metadata": metadata({**TOLD, **told})}
    answer = browser.post("/uploads", headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def sent(browser: TestClient, url: str, data: bytes, *, offset: int = 0, **headers: str) -> int:
    """The status of the answer to some bytes."""
    answer = browser.patch(url, content=data, headers={**BYTES, "upload-offset": str(offset), **headers})
    return int(answer.status_code)


def there(browser: TestClient, url: str) -> int:
    """How many bytes of an upload the server has."""
    return int(browser.head(url, headers=TUS).headers["upload-offset"])


def captured(home: Home) -> dict[str, bytes]:
    """What lies in the capture folder, by path."""
    folder = local_path(home.capture)
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
