"""Where the datastore is: environment, --config file, kubeconfig. Errors carry the texts and the stream of the real tool."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .documents import load_yaml
from .errors import CommandError, ParseError

DEFAULT_CONFIG = "/etc/calico/calicoctl.cfg"
_FAILED = "Failed to create Calico API client: "
_NO_CONFIG = "invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable"


@dataclass(frozen=True)
class Access:
    """How to reach the API. certificate and key: PEM; authority: PEM, None means the system's."""

    server: str
    authority: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    token: str = ""
    verify: bool = True


def _environment(name: str, environ: Mapping[str, str]) -> str:
    return environ.get(f"CALICO_{name}") or environ.get(name) or ""


def _settings(path: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    chosen = path or DEFAULT_CONFIG
    if os.path.exists(chosen):
        with open(chosen, encoding="utf-8") as stream:
            try:
                document = load_yaml(stream.read()) or {}
            except ParseError as error:
                raise CommandError(f"{_FAILED}syntax error in {chosen}: failed to parse config as YAML/JSON: {error}") from None
        if not isinstance(document, dict) or document.get("kind") != "CalicoAPIConfig":
            found = document.get("kind", "") if isinstance(document, dict) else ""
            raise CommandError(f"{_FAILED}syntax error in {chosen}: invalid config file: expected kind 'CalicoAPIConfig', got '{found}'")
        return {str(key): str(value) for key, value in (document.get("spec") or {}).items()}
    if path is not None and path != DEFAULT_CONFIG:
        raise CommandError(f"Error reading config file: {path}", stdout=True)
    names = {"datastoreType": "DATASTORE_TYPE", "kubeconfig": "KUBECONFIG", "etcdEndpoints": "ETCD_ENDPOINTS"}
    return {key: _environment(name, environ) for key, name in names.items()}


def _data(entry: Mapping[str, Any], key: str, base: str) -> bytes | None:
    """<key>-data (base64) or the file <key>."""
    try:
        if entry.get(f"{key}-data"):
            return base64.b64decode(entry[f"{key}-data"], validate=True)
        if entry.get(key):
            with open(os.path.join(base, entry[key]), "rb") as stream:
                return stream.read()
    except (OSError, binascii.Error, ValueError) as error:
        raise CommandError(f"{_FAILED}unable to read {key}: {error}", stdout=True) from None
    return None


def _named(document: Mapping[str, Any], section: str, kind: str, name: str) -> dict[str, Any]:
    for entry in document.get(section) or []:
        if entry.get("name") == name:
            return entry.get(kind) or {}
    raise CommandError(f'{_FAILED}invalid configuration: {kind} "{name}" does not exist', stdout=True)


def kubeconfig(path: str, context: str = "") -> Access:
    """Read a kubeconfig. Raises CommandError; a file that is not there is reported on standard output, as the real tool does."""
    try:
        with open(path, encoding="utf-8") as stream:
            document = load_yaml(stream.read()) or {}
    except FileNotFoundError:
        raise CommandError(f"{_FAILED}stat {path}: no such file or directory", stdout=True) from None
    except (OSError, ParseError) as error:
        raise CommandError(f"{_FAILED}error loading config file {path!r}: {error}", stdout=True) from None
    if not isinstance(document, dict) or not document.get("clusters"):
        raise CommandError(f"{_FAILED}{_NO_CONFIG}")
    chosen = _named(document, "contexts", "context", context or document.get("current-context") or "")
    cluster, user = _named(document, "clusters", "cluster", chosen.get("cluster", "")), _named(document, "users", "user", chosen.get("user", ""))
    if user.get("exec") or user.get("auth-provider"):
        raise CommandError(f"{_FAILED}credential plugins are not supported by the embedded engine", stdout=True)
    base = os.path.dirname(os.path.abspath(path))
    return Access(
        server=str(cluster.get("server", "")).rstrip("/"),
        authority=_data(cluster, "certificate-authority", base),
        certificate=_data(user, "client-certificate", base),
        key=_data(user, "client-key", base),
        token=str(user.get("token") or ""),
        verify=not cluster.get("insecure-skip-tls-verify"),
    )


def load(path: str | None, context: str = "", environ: Mapping[str, str] = os.environ) -> Access:
    """The access the command line and the environment ask for. Raises CommandError."""
    settings = _settings(path, environ)
    etcd = settings.get("etcdEndpoints", "")
    kind = settings.get("datastoreType") or ("etcdv3" if etcd else "kubernetes")
    if kind == "etcdv3":
        if not etcd:
            raise CommandError(f"{_FAILED}no etcd endpoints specified")
        raise CommandError(f"{_FAILED}the etcdv3 datastore is not supported by the embedded engine: set DATASTORE_TYPE=kubernetes and KUBECONFIG")
    if kind != "kubernetes":
        raise CommandError(f"{_FAILED}unknown datastore type: {kind}")
    file = settings.get("kubeconfig", "")
    if not file:
        usual = os.path.join(environ.get("HOME", ""), ".kube", "config")
        if not environ.get("HOME") or not os.path.exists(usual):
            raise CommandError(f"{_FAILED}{_NO_CONFIG}")
        file = usual
    return kubeconfig(file, context or environ.get("K8S_CURRENT_CONTEXT", ""))
