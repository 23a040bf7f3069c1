"""A small client of the Kubernetes API: one kept connection, JSON in and out, Go's wording for what the network does."""

from __future__ import annotations

import errno
import json
import os
import socket
from typing import Any
from urllib.parse import urlsplit

from .config import Access

_TIMEOUT = 30.0
_ERRNO = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.ECONNRESET: "connection reset by peer",
}


class ApiError(Exception):
    """The API answered with a Status; `code` is HTTP's, `reason` Kubernetes'."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class Unreachable(Exception):
    """No answer; the text is what client-go says."""


class KubeClient:
    """See the module text. Nothing is sent before the first request."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._connection: Any = None

    def _context(self) -> Any:
        import ssl

        context = ssl.create_default_context(cadata=self.access.authority.decode() if self.access.authority else None)
        if not self.access.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.access.certificate and self.access.key:
            # The ssl module only takes files; these live in memory and no other process can open them by a name.
            descriptor = os.memfd_create("client", os.MFD_CLOEXEC)
            try:
                os.write(descriptor, self.access.certificate + b"\n" + self.access.key)
                context.load_cert_chain(f"/proc/self/fd/{descriptor}")
            finally:
                os.close(descriptor)
        return context

    def _connect(self) -> Any:
        import http.client

        parts = urlsplit(self.access.server)
        host = parts.hostname or ""
        if parts.scheme == "https":
            connection: Any = http.client.HTTPSConnection(host, parts.port or 443, timeout=_TIMEOUT, context=self._context())
        else:
            connection = http.client.HTTPConnection(host, parts.port or 80, timeout=_TIMEOUT)
        connection.connect()
        # Small requests that wait for each other: without this Nagle and delayed acknowledgements cost 40 ms each.
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _failure(self, method: str, path: str, error: OSError) -> Unreachable:
        parts = urlsplit(self.access.server)
        place = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        if isinstance(error, socket.gaierror):
            why = f"dial tcp: lookup {parts.hostname}: no such host"
        elif type(error).__name__ in ("SSLCertVerificationError", "SSLError"):
            why = f"tls: failed to verify certificate: {getattr(error, 'verify_message', '') or error}"
        elif isinstance(error, TimeoutError):
            why = f"dial tcp {place}: i/o timeout"
        else:
            why = f"dial tcp {place}: connect: {_ERRNO.get(error.errno or 0, (error.strerror or str(error)).lower())}"
        return Unreachable(f'{method.capitalize()} "{self.access.server}{path}": {why}')

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request; returns the decoded answer. Raises ApiError, Unreachable."""
        import http.client

        headers = {"Accept": "application/json", "User-Agent": "calicoctl"}
        data = None
        if body is not None:
            data = json.dumps(body, separators=(",", ":")).encode()
            headers["Content-Type"] = "application/json"
        if self.access.token:
            headers["Authorization"] = f"Bearer {self.access.token}"
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.request(method, path, data, headers)
            response = self._connection.getresponse()
            text = response.read()
        except OSError as error:
            self._connection = None
            raise self._failure(method, path, error) from None
        except http.client.HTTPException as error:
            self._connection = None
            raise Unreachable(f'{method.capitalize()} "{self.access.server}{path}": {error or type(error).__name__}') from None
        try:
            answer = json.loads(text) if text else {}
        except ValueError:
            answer = {"message": text.decode(errors="replace").strip()}
        if response.status >= 400:
            raise ApiError(response.status, answer.get("reason") or "", answer.get("message") or f"the server answered {response.status}")
        return answer

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
