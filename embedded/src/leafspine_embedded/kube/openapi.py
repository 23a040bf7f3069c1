"""OpenAPI documents, made from the field table: enough for clients to validate, to merge, and to see that fieldValidation and dryRun work."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from leafspine_embedded.kube import crds, schema, strategic
from leafspine_embedded.kube.discovery import groups
from leafspine_embedded.kube.errors import PathNotFound
from leafspine_embedded.kube.objects import Object
from leafspine_embedded.kube.resources import CRDS, Resource

if TYPE_CHECKING:
    from leafspine_embedded.kube.store import Store

_SCALARS: dict[str, Object] = {
    "str": {"type": "string"},
    "bytes": {"type": "string", "format": "byte"},
    "time": {"type": "string", "format": "date-time"},
    "int": {"type": "integer", "format": "int64"},
    "num": {"type": "number", "format": "double"},
    "bool": {"type": "boolean"},
    "quantity": {"type": "string"},
    "any": {"x-kubernetes-preserve-unknown-fields": True},
}
_VERSION = "v1"
_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")


def index(store: Store) -> Object:
    """/openapi/v3: one document per group and version; the hash changes with what is in it."""
    paths = {}
    for group, versions in groups(store.registry).items():
        for version in versions:
            place = f"apis/{group}/{version}" if group else f"api/{version}"
            content = json.dumps([[res.plural, _definition_version(store, res)] for res in store.registry if res.group == group])
            digest = hashlib.sha256(content.encode()).hexdigest()[:32].upper()
            paths[place] = {"serverRelativeURL": f"/openapi/v3/{place}?hash={digest}"}
    return {"paths": paths}


def _definition_version(store: Store, res: Resource) -> str:
    return str(store.peek(CRDS, None, f"{res.plural}.{res.group}")["metadata"]["resourceVersion"]) if res.custom else ""


def v3(store: Store, group: str, version: str) -> Object:
    """/openapi/v3/apis/<group>/<version>. Raises PathNotFound."""
    if version not in groups(store.registry).get(group, []):
        raise PathNotFound
    found = [res for res in store.registry if res.group == group and version in res.versions]
    definitions = _definitions(store, found, version, "#/components/schemas/")
    paths: Object = {}
    for res in found:
        paths.update(_paths(res, version))
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": _VERSION}, "paths": paths, "components": {"schemas": definitions}}


def v2(store: Store) -> Object:
    """/openapi/v2 as JSON: all groups in one document."""
    definitions: Object = {}
    paths: Object = {}
    for res in store.registry:
        definitions.update(_definitions(store, [res], res.version, "#/definitions/"))
        paths.update(_paths(res, res.version))
    return {"swagger": "2.0", "info": {"title": "Kubernetes", "version": _VERSION}, "paths": paths, "definitions": definitions}


def _name(res: Resource, version: str) -> str:
    if res.custom:
        return f"{'.'.join(reversed(res.group.split('.')))}.{version}.{res.kind}"
    return schema.type_of(res.kind)


def _definitions(store: Store, resources: list[Resource], version: str, prefix: str) -> Object:
    made: Object = {}
    waiting: list[str] = []
    for res in resources:
        name = _name(res, version)
        if res.custom:
            made[name] = dict(crds.schema_of(store, res))
            properties = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"$ref": f"{prefix}ObjectMeta"}}
            made[name]["properties"] = {**made[name].get("properties", {}), **properties}
            waiting.append("ObjectMeta")
        else:
            made[name] = _definition(name, prefix, waiting)
        made[name]["x-kubernetes-group-version-kind"] = [_kind(res, version)]
    while waiting:
        name = waiting.pop()
        if name not in made and name in schema.types():
            made[name] = _definition(name, prefix, waiting)
    return made


def _kind(res: Resource, version: str) -> Object:
    return {"group": res.group, "version": version, "kind": res.kind}


def _definition(name: str, prefix: str, waiting: list[str]) -> Object:
    properties: Object = {}
    fields = schema.types()[name]
    for field, raw in fields.items():
        properties[field] = _property(raw.rstrip("!"), prefix, waiting)
        merge_key = strategic.MERGE_KEYS.get((name, field))
        if merge_key is not None:
            properties[field]["x-kubernetes-patch-strategy"] = "merge,retainKeys" if (name, field) == ("PodSpec", "volumes") else "merge"
            if merge_key:
                properties[field]["x-kubernetes-patch-merge-key"] = merge_key
    made: Object = {"type": "object", "properties": properties}
    required = [field for field, raw in fields.items() if raw.endswith("!")]
    if required:
        made["required"] = required
    return made


def _property(kind: str, prefix: str, waiting: list[str]) -> Object:
    if kind.startswith("[]"):
        return {"type": "array", "items": _property(kind[2:], prefix, waiting)}
    if kind.startswith("{}"):
        return {"type": "object", "additionalProperties": _property(kind[2:], prefix, waiting)}
    if kind in _SCALARS:
        return dict(_SCALARS[kind])
    waiting.append(kind)
    return {"$ref": prefix + kind}


def _paths(res: Resource, version: str) -> Object:
    root = f"/apis/{res.group}/{version}" if res.group else f"/api/{version}"
    collection = f"{root}/namespaces/{{namespace}}/{res.plural}" if res.namespaced else f"{root}/{res.plural}"
    parameters: list[Any] = [{"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}} for name in _PARAMETERS]

    def operation(action: str, *, writes: bool) -> Object:
        made: Object = {"x-kubernetes-action": action, "x-kubernetes-group-version-kind": _kind(res, version), "responses": {"200": {"description": "OK"}}}
        if writes:
            made["parameters"] = parameters
        return made

    return {
        collection: {"get": operation("list", writes=False), "post": operation("post", writes=True)},
        f"{collection}/{{name}}": {
            "get": operation("get", writes=False),
            "put": operation("put", writes=True),
            "patch": operation("patch", writes=True),
            "delete": operation("delete", writes=True),
        },
    }
