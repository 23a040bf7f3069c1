"""Pod streams: `exec` over WebSocket (v4 and v5.channel.k8s.io) and `log`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from leafspine_embedded.kube import wire
from leafspine_embedded.kube.errors import ApiError, BadRequest, NotFound
from leafspine_embedded.kube.objects import Object
from leafspine_embedded.kube.resources import NODES, PODS

if TYPE_CHECKING:
    from leafspine_embedded.kube.context import ClusterContext, ExecProcess, PodRuntime
    from leafspine_embedded.kube.store import Store

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _STDOUT, _STDERR, _STATUS, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255
# How long to wait for the client's answer to the closing frame. Short: Python's client sits in select() with the last frames already in its
# TLS buffer, and only the end of the connection wakes it.
_CLOSING = 0.2
_CHUNK = 32 * 1024
_HELD = 1 << 20  # bytes of standard input waiting for the process before the client has to wait


class Stdin(asyncio.StreamReader):
    """Standard input for the process; `room` makes the sender wait while the process does not read."""

    def __init__(self) -> None:
        super().__init__(limit=_HELD)
        self._held = 0
        self._freed = asyncio.Event()

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]  # typeshed takes any iterable of numbers; only bytes come here
        self._held += len(data)
        super().feed_data(data)

    async def read(self, n: int = -1) -> bytes:
        data = await super().read(n)
        self._held -= len(data)
        self._freed.set()
        return data

    async def room(self) -> None:
        while self._held > _HELD:
            self._freed.clear()
            await self._freed.wait()


def choose_container(store: Store, target: wire.Target, wanted: str) -> str:
    """The container that a request means. Raises NotFound, BadRequest with the real texts."""
    pod = store.peek(PODS, target.namespace, target.name)
    names = [entry["name"] for entry in pod["spec"]["containers"]]
    everything = [*names, *(entry["name"] for entry in pod["spec"].get("initContainers", []))]
    if not wanted:
        chosen = pod["metadata"].get("annotations", {}).get("kubectl.kubernetes.io/default-container")
        if len(names) > 1 and chosen not in names:
            raise BadRequest(f"a container name must be specified for pod {target.name}, choose one of: [{' '.join(names)}]")
        wanted = chosen if chosen in names else names[0]
    elif wanted not in everything:
        raise BadRequest(f"container {wanted} is not valid for pod {target.name}")
    if not pod["spec"].get("nodeName"):
        raise BadRequest(f"pod {target.name} does not have a host assigned")
    return str(wanted)


def _runtime(store: Store, context: ClusterContext, target: wire.Target) -> PodRuntime:
    """The kubelets. As on a real node, they are reached by the node's address: without one there is no way in."""
    node = store.peek(PODS, target.namespace, target.name)["spec"]["nodeName"]
    if store.find(NODES, None, node) is None:
        raise NotFound(NODES, node)
    if context.runtime is None:
        raise ApiError(f"the kubelet of node {node} does not answer", code=503, reason="ServiceUnavailable")
    return context.runtime


async def logs(request: web.BaseRequest, store: Store, context: ClusterContext, target: wire.Target) -> web.StreamResponse:
    """GET .../pods/<name>/log"""
    query = request.query
    container = choose_container(store, target, query.get("container", ""))
    tail = wire.number(query, "tailLines")
    if tail is not None and tail < 0:
        raise ApiError(f'PodLogOptions.v1 "" is invalid: tailLines: Invalid value: {tail}: must be greater than or equal to 0', code=422, reason="Invalid")
    follow, previous = wire.flag(query, "follow"), wire.flag(query, "previous")
    source = _runtime(store, context, target).logs(target.namespace, target.name, container, follow, tail, previous)
    left = wire.number(query, "limitBytes")
    # The first piece decides between an error and a stream.
    first = await anext(source, b"")
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        piece = first
        while piece:
            if left is not None:
                piece = piece[:left]
                left -= len(piece)
            await response.write(piece)
            if left == 0:
                break
            piece = await anext(source, b"")
    except (ConnectionResetError, ConnectionError):
        pass  # `kubectl logs -f` ends like this
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()
    return response


async def execute(request: web.BaseRequest, store: Store, context: ClusterContext, target: wire.Target) -> web.StreamResponse:
    """GET or POST .../pods/<name>/exec"""
    query = request.query
    command = query.getall("command", [])
    if not command:
        raise BadRequest("you must specify at least one command for the container")
    container = choose_container(store, target, query.get("container", ""))
    phase = store.peek(PODS, target.namespace, target.name).get("status", {}).get("phase")
    if phase in {"Succeeded", "Failed"}:
        raise BadRequest(f"cannot exec into a container in a completed pod; current phase is {phase}")
    if "websocket" not in request.headers.get("Upgrade", "").lower():
        raise BadRequest(
            "Upgrade request required: the embedded engine speaks WebSocket (v5.channel.k8s.io, v4.channel.k8s.io), not SPDY; use kubectl 1.31 or later"
        )
    offered = [part.strip() for part in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if part.strip()]
    if not set(offered) & set(PROTOCOLS):
        raise BadRequest(f"none of the offered WebSocket subprotocols is supported: {', '.join(offered) or 'none'}; supported: {', '.join(PROTOCOLS)}")
    tty = wire.flag(query, "tty")
    stdin = Stdin() if wire.flag(query, "stdin") else None
    process = await _runtime(store, context, target).exec(target.namespace, target.name, container, command, stdin, tty)
    socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=4 << 20, heartbeat=30.0, timeout=_CLOSING)
    try:
        await socket.prepare(request)
        await _Session(socket, process, stdin, wire.flag(query, "stdout"), wire.flag(query, "stderr") and not tty).run()
    finally:
        process.kill()
    return socket


class _Session:
    """One running exec."""

    def __init__(self, socket: web.WebSocketResponse, process: ExecProcess, stdin: Stdin | None, stdout: bool, stderr: bool) -> None:
        self._socket = socket
        self._process = process
        self._stdin = stdin
        self._stdout = stdout
        self._stderr = stderr

    async def run(self) -> None:
        reader = asyncio.create_task(self._receive())
        outputs = [asyncio.create_task(self._copy(self._process.stdout, _STDOUT, self._stdout))]
        if self._process.stderr is not None:
            outputs.append(asyncio.create_task(self._copy(self._process.stderr, _STDERR, self._stderr)))
        work = asyncio.create_task(self._finish(outputs))
        try:
            await asyncio.wait({reader, work}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():  # the client left first
                return
            try:
                status = exit_status(work.result())
            except ApiError as error:  # the command could not be started: told where the exit code would be, as the real one does
                status = error.status()
            with contextlib.suppress(ConnectionError):
                await self._frame(_STATUS, json.dumps(status).encode())
                await self._socket.close()
        finally:
            reader.cancel()
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await asyncio.gather(reader, work, return_exceptions=True)

    async def _finish(self, outputs: list[asyncio.Task[None]]) -> int:
        """The exit code, once all output has gone out."""
        await asyncio.gather(*outputs)
        return await self._process.wait()

    async def _frame(self, channel: int, data: bytes) -> None:
        await self._socket.send_bytes(bytes([channel]) + data)

    async def _copy(self, source: asyncio.StreamReader, channel: int, wanted: bool) -> None:
        while data := await source.read(_CHUNK):
            if wanted:
                await self._frame(channel, data)

    async def _receive(self) -> None:
        """Frames from the client until it closes."""
        async for message in self._socket:
            if message.type not in {WSMsgType.BINARY, WSMsgType.TEXT}:
                continue
            data = message.data if isinstance(message.data, bytes) else message.data.encode()
            if not data:
                continue
            channel, rest = data[0], data[1:]
            if channel == _STDIN and self._stdin is not None:
                if not self._stdin.at_eof():
                    self._stdin.feed_data(rest)
                    await self._stdin.room()
            elif channel == _CLOSE and rest[:1] == bytes([_STDIN]) and self._stdin is not None:
                self._stdin.feed_eof()
            elif channel == _RESIZE:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    size = json.loads(rest)
                    self._process.resize(int(size["Width"]), int(size["Height"]))
        if self._stdin is not None:
            self._stdin.feed_eof()


def exit_status(code: int) -> Object:
    """The Status of the error channel, from which clients take the exit code."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: error executing command, exit code {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
