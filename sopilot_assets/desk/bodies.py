"""How much of a request is read, and how long it is waited for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

if TYPE_CHECKING:
    from starlette.types import Message

LONGEST_BODY: Final = 1 << 20
"""Bytes that a request may send to a page that reads it as a whole."""
LONGEST_PAUSE_S: Final = 30.0
"""Seconds within which the next piece has to come."""


def limited(request: Request) -> Request:
    """The request, of which no more than `LONGEST_BODY` can be read, and of which no piece is waited for
    longer than `LONGEST_PAUSE_S`.

    Raises ``HTTPException`` 413 where it says itself that it is longer; reading raises 413 or 408.
    """
    said = request.headers.get("content-length", "0")
    if not said.isdecimal() or int(said) > LONGEST_BODY:
        raise HTTPException(413)
    receive, taken = request.receive, 0

    async def read() -> Message:
        nonlocal taken
        try:
            async with asyncio.timeout(LONGEST_PAUSE_S):
                message = await receive()
        except TimeoutError as error:
            raise HTTPException(408) from error
        taken += len(message.get("body", b""))
        if taken > LONGEST_BODY:
            raise HTTPException(413)
        return message

    return Request(request.scope, read)
