"""The engine's Kubernetes API in this process, over TLS on 127.0.0.1, for tests of what talks to it."""

from __future__ import annotations

import asyncio
import base64
import datetime
import ipaddress
import json
import ssl
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from leafspine_embedded.calico import manifest
from leafspine_embedded.kube import bootstrap, crds
from leafspine_embedded.kube.admission import Rules
from leafspine_embedded.kube.app import Api
from leafspine_embedded.kube.context import ClusterContext
from leafspine_embedded.kube.resources import CRDS
from leafspine_embedded.kube.store import Store

T = TypeVar("T")


def _certificate(common: str, organisation: str, issuer: tuple[x509.Certificate, Any] | None) -> tuple[x509.Certificate, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation), x509.NameAttribute(NameOID.COMMON_NAME, common)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer[0].subject if issuer else name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
    builder = builder.not_valid_after(now + datetime.timedelta(hours=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    if issuer:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def _pem(certificate: x509.Certificate, key: Any) -> tuple[bytes, bytes]:
    plain = serialization.NoEncryption()
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain),
    )


class LocalApi:
    """Start it once, `reset` it before each test; `call` runs a function of the store in the server's own thread."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.loop = asyncio.new_event_loop()
        self.store = Store()
        self._api: Api | None = None
        authority = _certificate("kubernetes", "test", None)
        self._server = _pem(*_certificate("server", "test", authority))
        self._client = _pem(*_certificate("admin", "system:masters", authority))
        self._authority = authority[0].public_bytes(serialization.Encoding.PEM)
        self.port = 0
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(10)

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._serve())
        self._started.set()
        self.loop.run_forever()

    async def _serve(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory)
            (path / "ca").write_bytes(self._authority)
            (path / "pair").write_bytes(self._server[0] + self._server[1])
            context.load_cert_chain(path / "pair")
            context.load_verify_locations(path / "ca")
        context.verify_mode = ssl.CERT_OPTIONAL

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            assert self._api is not None
            return await self._api.handle(request)

        runner = web.ServerRunner(web.Server(handle))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    def call(self, function: Callable[[Store], T]) -> T:
        async def within() -> T:
            return function(self.store)

        return asyncio.run_coroutine_threadsafe(within(), self.loop).result(10)

    def reset(self, *, calico: bool = True) -> None:
        """A new cluster; with Calico's definitions when asked for."""

        def within(_: Store) -> None:
            context = ClusterContext("td-contract", self.directory, "10.244.0.0/16", "10.96.0.0/16", [])
            self.store = Store()
            rules = Rules(self.store, context.service_subnet)
            self.store.admission = rules
            crds.follow(self.store)
            bootstrap.ensure(self.store, context, "127.0.0.1")
            self._api = Api(self.store, rules, context, f"127.0.0.1:{self.port}", b"key")
            for document in yaml.safe_load_all(manifest.text()) if calico else []:
                if document["kind"] == "CustomResourceDefinition":
                    self.store.create(CRDS, document)

        self.call(within)

    def kubeconfig(self, path: Path, server: str = "") -> Path:
        """Write a kubeconfig for this API (or for another address)."""

        def text(data: bytes) -> str:
            return base64.b64encode(data).decode()

        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "clusters": [{"name": "test", "cluster": {"server": server or self.server, "certificate-authority-data": text(self._authority)}}],
            "users": [{"name": "admin", "user": {"client-certificate-data": text(self._client[0]), "client-key-data": text(self._client[1])}}],
        }
        path.write_text(json.dumps(config))
        return path

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
