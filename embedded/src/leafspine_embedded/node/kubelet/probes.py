"""Startup, readiness and liveness probes: httpGet, tcpSocket, exec; run from the node's network namespace, where a kubelet stands."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from leafspine_embedded.common import netns
from leafspine_embedded.common.errors import EngineError

log = logging.getLogger(__name__)

Object = Mapping[str, Any]
Exec = Callable[[list[str]], Awaitable[tuple[int, str]]]


@dataclass(frozen=True)
class Target:
    """Whom a probe asks. node_netns: where it comes from; address: of the pod; ports: container's port names; run: executes in the container."""

    node_netns: str
    address: str
    ports: Mapping[str, int]
    run: Exec


class ProbeFailure(Exception):
    """The text of the Unhealthy event after `Readiness probe failed: `."""


def _port(value: object, ports: Mapping[str, int]) -> int:
    if isinstance(value, int):
        return value
    text = str(value)
    if text.isdecimal():
        return int(text)
    if text not in ports:
        raise ProbeFailure(f"couldn't find port named {text}")
    return ports[text]


async def _connect(target: Target, host: str, port: int) -> socket.socket:
    with netns.entered(target.node_netns):
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        await asyncio.get_running_loop().sock_connect(client, (host, port))
    except BaseException:
        client.close()
        raise
    return client


async def _tcp(target: Target, action: Object) -> None:
    host, port = action.get("host") or target.address, _port(action.get("port"), target.ports)
    try:
        (await _connect(target, host, port)).close()
    except OSError as error:
        raise ProbeFailure(f"dial tcp {host}:{port}: connect: {(error.strerror or str(error)).lower()}") from None


async def _http(target: Target, action: Object) -> None:
    host, port = action.get("host") or target.address, _port(action.get("port"), target.ports)
    path = action.get("path") or "/"
    scheme = (action.get("scheme") or "HTTP").lower()
    url = f"{scheme}://{host}:{port}{path}"
    headers = {"Host": f"{host}:{port}", "User-Agent": "kube-probe/1.34", "Accept": "*/*", "Connection": "close"}
    headers.update({item["name"]: item.get("value") or "" for item in action.get("httpHeaders") or []})
    writer: asyncio.StreamWriter | None = None
    try:
        client = await _connect(target, host, port)
        context = None
        if scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # a kubelet does not verify either
        reader, writer = await asyncio.open_connection(sock=client, ssl=context, server_hostname="" if context else None)
        lines = [f"GET {path if path.startswith('/') else '/' + path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        writer.write("\r\n".join(lines).encode())
        line = await reader.readline()
    except OSError as error:
        text = (error.strerror or str(error)).lower()
        raise ProbeFailure(f'Get "{url}": dial tcp {host}:{port}: connect: {text}') from None
    finally:
        if writer is not None:
            writer.close()
    words = line.split()
    if len(words) < 2 or not words[1].isdigit():
        raise ProbeFailure(f'Get "{url}": net/http: malformed HTTP response')
    if not 200 <= int(words[1]) < 400:
        raise ProbeFailure(f"HTTP probe failed with statuscode: {int(words[1])}")


async def probe(spec: Object, target: Target) -> None:
    """One attempt. Raises ProbeFailure."""
    seconds = float(spec.get("timeoutSeconds") or 1)
    try:
        if "httpGet" in spec:
            async with asyncio.timeout(seconds):
                await _http(target, spec["httpGet"])
        elif "tcpSocket" in spec:
            async with asyncio.timeout(seconds):
                await _tcp(target, spec["tcpSocket"])
        elif "exec" in spec:
            async with asyncio.timeout(seconds):
                code, text = await target.run(list(spec["exec"].get("command") or []))
            if code:
                raise ProbeFailure(text.strip())
    except TimeoutError:
        raise ProbeFailure("context deadline exceeded (Client.Timeout exceeded while awaiting headers)" if "httpGet" in spec else "i/o timeout") from None


class Prober:
    """The probes of one running container.

    changed(kind, holds): called when startup or readiness turn over. failed(kind, text): an attempt failed. unhealthy(text): liveness or
    startup gave up, the container is to be restarted.
    """

    def __init__(
        self,
        container: Object,
        target: Target,
        changed: Callable[[str, bool], None],
        failed: Callable[[str, str], None],
        unhealthy: Callable[[str, str], None],
    ) -> None:
        self._container, self._target = container, target
        self._changed, self._failed, self._unhealthy = changed, failed, unhealthy
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks.append(asyncio.create_task(self._all()))

    async def _all(self) -> None:
        startup = self._container.get("startupProbe")
        if startup and not await self._until_started(startup):
            return
        self._changed("startup", True)
        for kind in ("readiness", "liveness"):
            spec = self._container.get(f"{kind}Probe")
            if spec:
                self._tasks.append(asyncio.create_task(self._watch(kind, spec)))

    async def _until_started(self, spec: Object) -> bool:
        await asyncio.sleep(float(spec.get("initialDelaySeconds") or 0))
        failures = 0
        while True:
            text = await self._attempt("startup", spec)
            if text is None:
                return True
            failures += 1
            if failures >= int(spec.get("failureThreshold") or 3):
                self._unhealthy("startup", text)
                return False
            await asyncio.sleep(float(spec.get("periodSeconds") or 10))

    async def _attempt(self, kind: str, spec: Object) -> str | None:
        try:
            await probe(spec, self._target)
        except (ProbeFailure, EngineError) as failure:  # the latter: the node has lost its network namespace
            self._failed(kind, str(failure))
            return str(failure)
        return None

    async def _watch(self, kind: str, spec: Object) -> None:
        await asyncio.sleep(float(spec.get("initialDelaySeconds") or 0))
        good = bad = 0
        while True:
            text = await self._attempt(kind, spec)
            good, bad = (good + 1, 0) if text is None else (0, bad + 1)
            if kind == "readiness":
                if good >= int(spec.get("successThreshold") or 1):
                    self._changed(kind, True)
                elif bad >= int(spec.get("failureThreshold") or 3):
                    self._changed(kind, False)
            elif bad >= int(spec.get("failureThreshold") or 3):
                self._unhealthy(kind, text or "")
                return
            await asyncio.sleep(float(spec.get("periodSeconds") or 10))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            # Whoever stops the probes, at the end of a container, must not end with them.
            if isinstance(ended, Exception):
                log.error("a probe ended with an error", exc_info=ended)
        self._tasks.clear()
