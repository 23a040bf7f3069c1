"""Calls between the command line service and its root helper: JSON lines over a socket pair, both ways at once.

A call is {"id", "call", "arguments"}; its answer {"id", "result"} or {"id", "error", "kind"}; a streaming call is answered by any number
of {"id", "piece"} before. {"id", "cancel": true} from the caller stops a call.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

_GONE = "the other process is gone"
LIMIT = 32 * 1024 * 1024

Send = Callable[[str], Awaitable[None]]
Handler = Callable[[str, dict[str, Any], Send], Awaitable[Any]]


class Refused(Exception):
    """The other side's error. `kind` is a short word, `data` what came with it."""

    def __init__(self, text: str, kind: str = "error", data: Any = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.data = data


class Channel:
    """One end. `handler(name, arguments, send)` answers the other side's calls."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
        self._reader, self._writer, self._handler = reader, writer, handler
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[dict[str, Any]]] = {}
        self._running: dict[int, asyncio.Task[None]] = {}

    async def serve(self) -> None:
        """Read until the other side closes; calls that wait then end with Refused("closed")."""
        try:
            while line := await self._reader.readline():
                self._take(json.loads(line))
        except (ConnectionError, ValueError):
            pass
        finally:
            for task in self._running.values():
                task.cancel()
            for queue in self._waiting.values():
                queue.put_nowait({"error": _GONE, "kind": "closed"})

    def _take(self, message: dict[str, Any]) -> None:
        number = message["id"]
        if "call" in message:
            self._running[number] = asyncio.ensure_future(self._answer(number, message["call"], message["arguments"]))
        elif message.get("cancel"):
            if number in self._running:
                self._running[number].cancel()
        elif number in self._waiting:
            self._waiting[number].put_nowait(message)

    async def _answer(self, number: int, name: str, arguments: dict[str, Any]) -> None:
        async def send(piece: str) -> None:
            await self._send({"id": number, "piece": piece})

        try:
            answer: dict[str, Any] = {"result": await self._handler(name, arguments, send)}
        except Refused as error:
            answer = {"error": str(error), "kind": error.kind, "data": error.data}
        except asyncio.CancelledError:
            answer = {"error": "cancelled", "kind": "cancelled"}
        except Exception as error:  # the other side must hear of it, whatever it is
            answer = {"error": f"{type(error).__name__}: {error}", "kind": "internal"}
        finally:
            self._running.pop(number, None)
        with contextlib.suppress(ConnectionError):
            await self._send({"id": number, **answer})

    async def _send(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message).encode() + b"\n")
        await self._writer.drain()

    async def call(self, name: str, **arguments: Any) -> Any:
        """The result of a call. Raises Refused."""
        result: Any = None
        async for message in self._call(name, arguments):
            result = message.get("result")
        return result

    async def pieces(self, name: str, **arguments: Any) -> AsyncIterator[str]:
        """The pieces of a streaming call as they come; leaving the loop early cancels it. Raises Refused."""
        async for message in self._call(name, arguments):
            if "piece" in message:
                yield message["piece"]

    async def _call(self, name: str, arguments: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        number = next(self._numbers)
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._waiting[number] = queue
        done = False
        try:
            try:
                await self._send({"id": number, "call": name, "arguments": arguments})
            except (ConnectionError, RuntimeError):
                raise Refused(_GONE, "closed") from None
            while not done:
                message = await queue.get()
                done = "piece" not in message
                if "error" in message:
                    raise Refused(message["error"], message.get("kind", "error"), message.get("data"))
                yield message
        finally:
            self._waiting.pop(number, None)
            if not done:
                with contextlib.suppress(ConnectionError):
                    self._writer.write(json.dumps({"id": number, "cancel": True}).encode() + b"\n")


async def open_channel(descriptor: int, handler: Handler) -> Channel:
    """A channel over an inherited socket."""
    import socket

    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor), limit=LIMIT)
    return Channel(reader, writer, handler)
