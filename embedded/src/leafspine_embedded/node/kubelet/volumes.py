"""Volumes of a pod: directories on the node that containers get mounted. Only kinds that make sense without storage are supported."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from .env import ConfigError, Lookup, Object, decoded, field, keys

_SUPPORTED = ("emptyDir", "configMap", "secret", "downwardAPI", "projected", "hostPath")
# Read from the machine itself; every other hostPath lies in the node's own directory.
_SHARED_HOST_PATHS = ("/lib/modules", "/usr")


def unsupported(pod: Object) -> str:
    """What the pod asks of its volumes that the embedded engine does not have; empty when it is all there."""
    for index, volume in enumerate((pod.get("spec") or {}).get("volumes") or []):
        kinds = [key for key in volume if key != "name"]
        if kinds and kinds[0] not in _SUPPORTED:
            return f"spec.volumes[{index}].{kinds[0]}: not supported by the embedded engine (it has {', '.join(_SUPPORTED)})"
    return ""


def prepare(pod: Object, directory: Path, node_root: Path, lookup: Lookup) -> dict[str, Path]:
    """Make or refresh every volume of a pod below `directory`; returns name -> path. Raises ConfigError (a missing ConfigMap, ...).

    node_root: the directory that stands for the node's file system in hostPath volumes.
    """
    found: dict[str, Path] = {}
    for volume in (pod.get("spec") or {}).get("volumes") or []:
        name = volume["name"]
        kind = next((key for key in volume if key != "name"), "emptyDir")
        if kind == "hostPath":
            found[name] = _host_path(volume["hostPath"], node_root)
            continue
        place = directory / name
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o755)  # the engine runs with umask 077
        if kind == "emptyDir":
            place.chmod(0o777)
        else:
            _write(place, _files(kind, volume[kind], pod, lookup), int(volume[kind].get("defaultMode") or 0o644))
        found[name] = place
    return found


def _host_path(source: Object, node_root: Path) -> Path:
    path = os.path.normpath(source["path"])
    if any(path == shared or path.startswith(f"{shared}/") for shared in _SHARED_HOST_PATHS) and os.path.exists(path):
        return Path(path)
    place = node_root / path.lstrip("/")
    kind = source.get("type") or ""
    if kind in ("Directory", "File", "Socket") and not place.exists():
        raise ConfigError(f"hostPath type check failed: {path} is not a {kind.lower()}")
    if kind in ("File", "FileOrCreate"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    elif not place.exists():
        place.mkdir(parents=True)
    return place


def _items(kind: str, obj: Object, source: Object) -> dict[str, bytes]:
    wanted = {entry["key"]: entry["path"] for entry in source.get("items") or []} or {key: key for key in keys(kind, obj)}
    result = {}
    for key, path in wanted.items():
        value = decoded(kind, obj, key)
        if value is None:
            if source.get("optional"):
                continue
            raise ConfigError(f"references non-existent {kind.lower()} key: {key}")
        result[path] = value
    return result


def _object_files(kind: str, name: str, source: Object, lookup: Lookup) -> dict[str, bytes]:
    obj = lookup(kind, name)
    if obj is None:
        if source.get("optional"):
            return {}
        raise ConfigError(f'MountVolume.SetUp failed: {kind.lower()} "{name}" not found')
    return _items(kind, obj, source)


def _downward(source: Object, pod: Object) -> dict[str, bytes]:
    result = {}
    for item in source.get("items") or []:
        if "fieldRef" not in item:
            raise ConfigError("downwardAPI.items.resourceFieldRef is not supported by the embedded engine")
        result[item["path"]] = field(pod, item["fieldRef"]["fieldPath"]).encode()
    return result


def _files(kind: str, source: Object, pod: Object, lookup: Lookup) -> dict[str, bytes]:
    if kind == "configMap":
        return _object_files("ConfigMap", source["name"], source, lookup)
    if kind == "secret":
        return _object_files("Secret", source["secretName"], source, lookup)
    if kind == "downwardAPI":
        return _downward(source, pod)
    result: dict[str, bytes] = {}
    for part in source.get("sources") or []:
        if "configMap" in part:
            result.update(_object_files("ConfigMap", part["configMap"]["name"], part["configMap"], lookup))
        elif "secret" in part:
            result.update(_object_files("Secret", part["secret"]["name"], part["secret"], lookup))
        elif "downwardAPI" in part:
            result.update(_downward(part["downwardAPI"], pod))
        elif "serviceAccountToken" not in part:
            # No token: the engine's API knows client certificates only, and a pod that holds no credentials can lose none.
            raise ConfigError(f"projected source {next(iter(part), '')} is not supported by the embedded engine")
    return result


def _write(place: Path, files: dict[str, bytes], mode: int) -> None:
    """Exactly these files; unchanged ones are left alone, so that a running container sees no flicker."""
    for relative, content in files.items():
        target = Path(os.path.normpath(place / relative))
        if not target.is_relative_to(place):
            raise ConfigError(f"volume path {relative!r} leaves the volume")
        if target.is_file() and target.read_bytes() == content:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.new")
        temporary.write_bytes(content)
        temporary.chmod(mode)
        temporary.replace(target)
    for existing in list(place.rglob("*")):
        if existing.is_file() and str(existing.relative_to(place)) not in files:
            existing.unlink()


def mounts(container: Object, volumes: dict[str, Path]) -> list[dict[str, Any]]:
    """The container's volumeMounts as mount entries. Raises ConfigError."""
    entries = []
    for mount in container.get("volumeMounts") or []:
        place = volumes.get(mount["name"])
        if place is None:
            raise ConfigError(f'volumeMounts: no volume named "{mount["name"]}"')
        if mount.get("subPath"):
            inner = Path(os.path.normpath(place / mount["subPath"]))
            if not inner.resolve().is_relative_to(place.resolve()):
                raise ConfigError(f"volumeMounts: subPath {mount['subPath']!r} leaves the volume")
            place = inner
            if not place.exists():
                place.mkdir(parents=True)
        entries.append({"kind": "bind", "source": str(place), "target": os.path.normpath(mount["mountPath"]), "read_only": bool(mount.get("readOnly"))})
    return sorted(entries, key=lambda entry: str(entry["target"]))


def remove(directory: Path) -> None:
    """Forget a pod's volumes."""
    shutil.rmtree(directory, ignore_errors=True)
