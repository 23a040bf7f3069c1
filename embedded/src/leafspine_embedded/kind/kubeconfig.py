"""The kubeconfig of a cluster, alone and merged into a file as kind does it. Who writes holds the lock of kind/cluster.py."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import yaml

from leafspine_embedded.common.state import write_atomic
from leafspine_embedded.kind.errors import KindError


def context_name(cluster: str) -> str:
    return f"kind-{cluster}"


def render(cluster: str, server: str, ca: str, certificate: str, key: str) -> dict[str, Any]:
    """A kubeconfig with one cluster, user and context; the PEM texts are embedded."""
    name = context_name(cluster)
    return {
        "apiVersion": "v1",
        "clusters": [{"cluster": {"certificate-authority-data": _encoded(ca), "server": server}, "name": name}],
        "contexts": [{"context": {"cluster": name, "user": name}, "name": name}],
        "current-context": name,
        "kind": "Config",
        "preferences": {},
        "users": [{"name": name, "user": {"client-certificate-data": _encoded(certificate), "client-key-data": _encoded(key)}}],
    }


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def dump(config: dict[str, Any]) -> str:
    return yaml.safe_dump(config, default_flow_style=False, sort_keys=True, width=10**6)


def default_paths() -> list[Path]:
    """Where kind looks: every file of $KUBECONFIG, else ~/.kube/config."""
    listed = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return listed or [Path.home() / ".kube" / "config"]


def _read(path: Path) -> dict[str, Any]:
    try:
        value = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise KindError(f"failed to load kubeconfig {path}: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(value.get(key) or [], list) for key in ("clusters", "contexts", "users")):
        raise KindError(f"failed to load kubeconfig {path}: it is no kubeconfig")
    return value


def _write(path: Path, config: dict[str, Any]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomic(path, dump(config), mode=0o600)


def merge(path: Path, config: dict[str, Any]) -> None:
    """Put the entries of `config` into the file (made when missing), everything else kept; its context becomes the current one."""
    present = _read(path)
    result = {"apiVersion": "v1", "kind": "Config", "preferences": {}, **present, "current-context": config["current-context"]}
    for key in ("clusters", "contexts", "users"):
        mine = {entry["name"] for entry in config[key]}
        result[key] = [*(entry for entry in present.get(key) or [] if entry.get("name") not in mine), *config[key]]
    if result != present or (path.stat().st_mode & 0o777) != 0o600:
        _write(path, result)


def remove(path: Path, cluster: str) -> bool:
    """Take the cluster's entries out of the file; True when there were any."""
    name = context_name(cluster)
    present = _read(path)
    result = dict(present)
    for key in ("clusters", "contexts", "users"):
        if present.get(key):
            result[key] = [entry for entry in present[key] if entry.get("name") != name]
    if result.get("current-context") == name:
        result["current-context"] = ""
    if result == present:
        return False
    _write(path, result)
    return True
