"""Watch requests: a stream of events, one JSON value a line."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from leafspine_embedded.kube import tables, wire
from leafspine_embedded.kube.errors import ApiError
from leafspine_embedded.kube.handlers import Handlers, selection
from leafspine_embedded.kube.objects import Object
from leafspine_embedded.kube.selectors import Predicate
from leafspine_embedded.kube.store import Change

if TYPE_CHECKING:
    from leafspine_embedded.kube.store import Store

_BOOKMARK_EVERY = 60.0
_LONGEST = 3600.0


class Stream:
    """One watch request."""

    def __init__(self, store: Store, handlers: Handlers, target: wire.Target, query: Mapping[str, str], shape: wire.Shape) -> None:
        self._store = store
        self._handlers = handlers
        self._target = target
        self._shape = shape
        self._include = query.get("includeObject", "Metadata")
        self._bookmarks = wire.flag(query, "allowWatchBookmarks")
        self._initial = wire.flag(query, "sendInitialEvents")
        self._since = wire.number(query, "resourceVersion") or None
        if self._initial:
            self._since = None
        timeout = wire.number(query, "timeoutSeconds")
        self._timeout = min(float(timeout), _LONGEST) if timeout else random.uniform(_LONGEST / 2, _LONGEST)
        self._chosen: Predicate | None = selection(target.resource, query, target.name)

    async def run(self, request: web.BaseRequest) -> web.StreamResponse:
        """Send events until the time is over, the client leaves or the server ends."""
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"})
        response.enable_chunked_encoding()
        try:
            watch = self._store.subscribe(self._target.resource, self._target.namespace, self._since)
        except ApiError as error:
            await response.prepare(request)
            await response.write(wire.dumps({"type": "ERROR", "object": error.status()}) + b"\n")
            return response
        present = watch.queue.qsize() if self._since is None else 0
        deadline = asyncio.get_running_loop().time() + self._timeout
        try:
            await response.prepare(request)
            await self._send(response, watch.queue, present, deadline)
        except (ConnectionResetError, ConnectionError):
            pass  # the client has gone, which is how most watches end
        finally:
            watch.close()
        return response

    async def _send(self, response: web.StreamResponse, queue: asyncio.Queue[Change | None], present: int, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        if self._initial and present == 0:
            await self._bookmark(response, first=True)
        while (left := deadline - loop.time()) > 0:
            try:
                change = await asyncio.wait_for(queue.get(), min(left, _BOOKMARK_EVERY))
            except TimeoutError:
                if self._bookmarks:
                    await self._bookmark(response)
                continue
            if change is None:
                return
            event = self._event(change)
            if event is not None:
                await response.write(wire.dumps(event) + b"\n")
            present -= 1
            if self._initial and present == 0:
                await self._bookmark(response, first=True)

    def _event(self, change: Change) -> Object | None:
        """The event as this watch sees it: an object can enter and leave its selection."""
        kind = change.type
        if self._chosen is not None:
            now = self._chosen(change.obj)
            before = change.old is not None and self._chosen(change.old)
            if kind == "DELETED":
                now, before = before or now, True
            if not now and not before:
                return None
            if kind == "MODIFIED":
                kind = "MODIFIED" if now and before else "ADDED" if now else "DELETED"
            elif not now:
                return None
        return {"type": kind, "object": self._shaped(change.obj)}

    def _shaped(self, obj: Object) -> Any:
        obj = self._handlers.versioned(self._target, obj)
        if self._shape.kind == "Table":
            return tables.table(self._store, self._target.resource, [obj], {"resourceVersion": obj["metadata"]["resourceVersion"]}, self._include)
        return tables.partial(obj) if self._shape.kind else obj

    async def _bookmark(self, response: web.StreamResponse, *, first: bool = False) -> None:
        metadata: Object = {"resourceVersion": str(self._store.version), "creationTimestamp": None}
        if first:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        obj: Object = {"kind": self._target.resource.kind, "apiVersion": self._target.resource.api_version, "metadata": metadata}
        if self._shape.kind == "Table":
            obj = tables.table(self._store, self._target.resource, [], metadata, self._include)
        elif self._shape.kind:
            obj = tables.partial(obj)
        await response.write(wire.dumps({"type": "BOOKMARK", "object": obj}) + b"\n")
