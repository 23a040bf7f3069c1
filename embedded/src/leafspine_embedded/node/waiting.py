"""Waiting with a limit. asyncio.wait_for of Python 3.11 can swallow a cancellation that comes together with the result; asyncio.timeout does not."""

from __future__ import annotations

import asyncio
import contextlib


async def event(what: asyncio.Event, seconds: float | None) -> bool:
    """Wait for an event, at most so long (None: for ever); whether it is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await what.wait()
    return what.is_set()
