"""A container's environment and command line: env, envFrom, the downward API and $(NAME) expansion. Pure, except for the lookups passed in."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

Object = Mapping[str, Any]
Lookup = Callable[[str, str], "Object | None"]  # (kind "ConfigMap" | "Secret", name) -> object of the pod's namespace

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_REFERENCE = re.compile(r"\$(\$|\(([^()]*)\))")
_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['([^']+)'\]")


class ConfigError(Exception):
    """The container cannot be configured; the text is the one CreateContainerConfigError shows."""


def expand(text: str, values: Mapping[str, str]) -> str:
    """`$(NAME)` -> its value, `$$(NAME)` -> the literal `$(NAME)`; an unknown name stays as it is written."""

    def one(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return values.get(match[2], match[0])

    return _REFERENCE.sub(one, text)


def field(pod: Object, path: str) -> str:
    """A fieldRef of the downward API. Raises ConfigError for paths it does not have."""
    meta, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    if match := _SUBSCRIPT.fullmatch(path):
        return str((meta.get(match[1].split(".")[1]) or {}).get(match[2], ""))
    simple = {
        "metadata.name": meta.get("name"),
        "metadata.namespace": meta.get("namespace"),
        "metadata.uid": meta.get("uid"),
        "spec.nodeName": spec.get("nodeName"),
        "spec.serviceAccountName": spec.get("serviceAccountName"),
        "status.hostIP": status.get("hostIP"),
        "status.podIP": status.get("podIP"),
        "status.hostIPs": ",".join(entry["ip"] for entry in status.get("hostIPs") or []),
        "status.podIPs": ",".join(entry["ip"] for entry in status.get("podIPs") or []),
    }
    if path in simple:
        return str(simple[path] or "")
    if path in ("metadata.labels", "metadata.annotations"):
        pairs = meta.get(path.split(".")[1]) or {}
        return "\n".join(f'{key}="{value}"' for key, value in sorted(pairs.items()))
    raise ConfigError(f"unsupported fieldPath: {path}")


def decoded(kind: str, obj: Object, key: str) -> bytes | None:
    """The value under a key of a ConfigMap or Secret, None when it has no such key."""
    plain = (obj.get("data") or {}).get(key)
    if kind == "ConfigMap":
        binary = (obj.get("binaryData") or {}).get(key)
        return plain.encode() if plain is not None else base64.b64decode(binary) if binary is not None else None
    return base64.b64decode(plain) if plain is not None else None


def keys(kind: str, obj: Object) -> list[str]:
    """All keys of a ConfigMap or Secret, sorted."""
    return sorted({*(obj.get("data") or {}), *((obj.get("binaryData") or {}) if kind == "ConfigMap" else {})})


def _from_key(kind: str, reference: Object, pod: Object, lookup: Lookup) -> str | None:
    name, key = reference["name"], reference["key"]
    obj = lookup(kind, name)
    if obj is None:
        if reference.get("optional"):
            return None
        raise ConfigError(f'{kind.lower()} "{name}" not found')
    value = decoded(kind, obj, key)
    if value is None:
        if reference.get("optional"):
            return None
        raise ConfigError(f"couldn't find key {key} in {kind} {pod['metadata']['namespace']}/{name}")
    return value.decode(errors="replace")


def _value_from(source: Object, pod: Object, lookup: Lookup) -> str | None:
    if "fieldRef" in source:
        return field(pod, source["fieldRef"]["fieldPath"])
    if "configMapKeyRef" in source:
        return _from_key("ConfigMap", source["configMapKeyRef"], pod, lookup)
    if "secretKeyRef" in source:
        return _from_key("Secret", source["secretKeyRef"], pod, lookup)
    raise ConfigError(f"env.valueFrom.{next(iter(source), '')} is not supported by the embedded engine")


def _env_from(source: Object, lookup: Lookup) -> dict[str, str]:
    for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        if key not in source:
            continue
        name = source[key]["name"]
        obj = lookup(kind, name)
        if obj is None:
            if source[key].get("optional"):
                return {}
            raise ConfigError(f'{kind.lower()} "{name}" not found')
        found = {}
        for item in keys(kind, obj):
            variable = f"{source.get('prefix') or ''}{item}"
            if _NAME.fullmatch(variable):
                found[variable] = (decoded(kind, obj, item) or b"").decode(errors="replace")
        return found
    raise ConfigError("envFrom needs configMapRef or secretRef")


def environment(pod: Object, container: Object, lookup: Lookup, image_env: Mapping[str, str], services: Mapping[str, str]) -> dict[str, str]:
    """All variables of a container, in the order a kubelet applies them: image, services, envFrom, env. Raises ConfigError."""
    meta, spec = pod["metadata"], pod.get("spec") or {}
    hostname = spec.get("nodeName") if spec.get("hostNetwork") else spec.get("hostname") or meta["name"][:63]
    result: dict[str, str] = {"PATH": PATH, "HOSTNAME": str(hostname), "HOME": "/root", **image_env, **services}
    for source in container.get("envFrom") or []:
        result.update(_env_from(source, lookup))
    for entry in container.get("env") or []:
        value: str | None = entry.get("value")
        if entry.get("valueFrom"):
            value = _value_from(entry["valueFrom"], pod, lookup)
            if value is not None:
                result[entry["name"]] = value
            continue
        result[entry["name"]] = expand(value or "", result)
    return result


def command_line(container: Object, entrypoint: tuple[str, ...], command: tuple[str, ...], values: Mapping[str, str]) -> list[str]:
    """What is run: `command` replaces the image's entrypoint (and its default arguments), `args` only the arguments. Raises ConfigError."""
    own, arguments = container.get("command") or [], container.get("args") or []
    head = [expand(word, values) for word in own] if own else list(entrypoint)
    tail = [expand(word, values) for word in arguments] if arguments else ([] if own else list(command))
    if not head + tail:
        raise ConfigError("no command specified")
    return head + tail


def service_links(services: list[Object], namespace: str, enabled: bool) -> dict[str, str]:
    """NAME_SERVICE_HOST and friends: `kubernetes` always, the pod's own namespace when enableServiceLinks is not false."""
    result: dict[str, str] = {}
    for service in services:
        meta, spec = service["metadata"], service.get("spec") or {}
        address = spec.get("clusterIP")
        master = meta["namespace"] == "default" and meta["name"] == "kubernetes"
        if address in (None, "", "None") or not (master or (enabled and meta["namespace"] == namespace)):
            continue
        stem = meta["name"].upper().replace("-", "_")
        ports = spec.get("ports") or []
        if not ports:
            continue
        result[f"{stem}_SERVICE_HOST"] = address
        result[f"{stem}_SERVICE_PORT"] = str(ports[0]["port"])
        for port in ports:
            if port.get("name"):
                result[f"{stem}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
    return result
