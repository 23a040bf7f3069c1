"""How every controller here runs: something it reads changed, so it looks at everything it is responsible for.

A lab has tens of objects, a full look costs less than a millisecond; what is compared is the wanted state with the present one, so a look
too many changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from leafspine_embedded.kube.resources import Resource
from leafspine_embedded.kube.store import Change, Store
from leafspine_embedded.node import waiting

log = logging.getLogger(__name__)

_DEBOUNCE = 0.005  # seconds: one look for a burst of changes
_RETRY = 1.0


async def run(name: str, store: Store, resources: Iterable[Resource], look: Callable[[], float | None]) -> None:
    """Call `look` now and after every change of the resources, for ever. It may return after how many seconds it wants to be called unasked."""
    wanted = {resource.key for resource in resources}
    changed = asyncio.Event()
    changed.set()

    def react(change: Change) -> None:
        if change.resource.key in wanted:
            changed.set()

    store.on_change(react)
    again: float | None = None
    while True:
        await waiting.event(changed, again)
        await asyncio.sleep(_DEBOUNCE)
        changed.clear()
        try:
            again = look()
        except Exception:
            # One object that cannot be handled must not stop the controller for the others.
            log.exception("%s", name)
            again = _RETRY
