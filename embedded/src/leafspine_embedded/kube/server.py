"""The process of one cluster: `python -m leafspine_embedded.kube.server <cluster directory>`.

API server, controllers and node agents in one event loop. It ends with 0 when told to (TERM), with 78 when its files make no sense
(its supervisor then gives up), with anything else when it should be started again.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import importlib
import logging
import os
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from leafspine_embedded.common import logs, netns
from leafspine_embedded.common.supervisor import BAD_SETTINGS
from leafspine_embedded.kube import bootstrap, crds, nodes, settings, wire
from leafspine_embedded.kube.admission import Rules
from leafspine_embedded.kube.app import Api
from leafspine_embedded.kube.context import ClusterContext
from leafspine_embedded.kube.lifecycle import Lifecycle
from leafspine_embedded.kube.store import Store

log = logging.getLogger("leafspine.kube")

# Modules with `async def run(store, cluster)`: one task each, for the life of the process.
CONTROLLERS = [
    "leafspine_embedded.kube.nodes",
    "leafspine_embedded.calico.controller",
    "leafspine_embedded.node.main",
]
_RESTART_FIRST, _RESTART_MOST = 1.0, 30.0  # seconds before a controller that failed runs again
_EXPIRE_EVERY = 300.0
_PR_SET_PDEATHSIG = 1
Controller = Callable[[Store, ClusterContext], Awaitable[None]]


def controllers() -> list[tuple[str, Controller]]:
    """The listed controllers. Raises ImportError for one that cannot be loaded."""
    return [(name, importlib.import_module(name).run) for name in CONTROLLERS]


async def supervise(name: str, controller: Controller, store: Store, context: ClusterContext) -> None:
    """Run a controller; when it fails, say why and run it again, later each time."""
    pause = _RESTART_FIRST
    while True:
        started = asyncio.get_running_loop().time()
        try:
            await controller(store, context)
            log.error("controller %s ended", name)
        except Exception:
            log.exception("controller %s failed", name)
        if asyncio.get_running_loop().time() - started > 60:
            pause = _RESTART_FIRST
        await asyncio.sleep(pause)
        pause = min(pause * 2, _RESTART_MOST)


def tls(pki: Path) -> ssl.SSLContext:
    """TLS 1.2 and later; client certificates of the cluster's authority are asked for, and checked when given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
    context.load_verify_locations(pki / "ca.crt")
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context


async def serve(context: ClusterContext, stop: asyncio.Event) -> None:
    """Serve until `stop`. Raises OSError and EngineError when the address or the state cannot be used."""
    pki = context.dir / "pki"
    store = Store(context.dir / "store")
    rules = Rules(store, context.service_subnet)
    store.admission = rules
    crds.follow(store)
    lifecycle = Lifecycle(store, (pki / "ca.crt").read_text())
    lifecycle.start()
    node = settings.control_plane(context)
    bootstrap.ensure(store, context, node.eth0_address)
    nodes.register(store, context)
    api = Api(store, rules, context, f"{node.eth0_address}:{bootstrap.PORT}", (pki / "sa.key").read_bytes())
    listener = netns.listen(node.namespace, node.eth0_address, bootstrap.PORT)
    runner = web.ServerRunner(web.Server(api.handle, request_factory=_request, access_log=None), shutdown_timeout=1.0)
    await runner.setup()
    site = web.SockSite(runner, listener, ssl_context=tls(pki))
    await site.start()
    tasks = [asyncio.create_task(supervise(name, controller, store, context), name=name) for name, controller in controllers()]
    tasks.append(asyncio.create_task(_housekeeping(lifecycle)))
    tasks.append(asyncio.create_task(_rotate(context.dir)))
    # Everything so far lives as long as the process: keep the collector from walking it again and again.
    gc.collect()
    gc.freeze()
    try:
        await stop.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        store.close()
        await runner.cleanup()


async def _housekeeping(lifecycle: Lifecycle) -> None:
    while True:
        await asyncio.sleep(_EXPIRE_EVERY)
        lifecycle.expire_events()


async def _rotate(home: Path) -> None:
    """Keep the cluster's logs small."""
    while True:
        await asyncio.sleep(logs.EVERY)
        try:
            logs.rotate(logs.directory(home))
        except OSError as error:
            log.error("logs cannot be rotated: %s", error)


def _request(message: object, payload: object, protocol: object, writer: object, task: object) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=wire.MAX_BODY)  # type: ignore[arg-type]


async def _main(context: ClusterContext) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(context, stop)


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if len(sys.argv) != 2:
        print("usage: python -m leafspine_embedded.kube.server <cluster directory>", file=sys.stderr)
        return BAD_SETTINGS
    # A supervisor that is killed takes the server with it; two servers of one cluster must never run.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.umask(0o077)
    try:
        context = settings.load(Path(sys.argv[1]))
    except (FileNotFoundError, ValueError, KeyError):
        log.exception("%s is no cluster directory", sys.argv[1])
        return BAD_SETTINGS
    asyncio.run(_main(context))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
