"""The verbs on resources: get, list, create, update, patch, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from leafspine_embedded.kube import crds, patch, schema, tables, wire
from leafspine_embedded.kube.errors import ApiError, BadRequest, FieldError, Invalid, MethodNotAllowed
from leafspine_embedded.kube.objects import Object, clone
from leafspine_embedded.kube.resources import CRDS, PODS, Resource
from leafspine_embedded.kube.selectors import Predicate, both, fields, labels

if TYPE_CHECKING:
    from aiohttp import web

    from leafspine_embedded.kube.admission import Rules
    from leafspine_embedded.kube.store import Store

Query = Mapping[str, str]
_VALIDATION = ("Ignore", "Warn", "Strict")


class Handlers:
    """Answers for one store."""

    def __init__(self, store: Store, rules: Rules) -> None:
        self._store = store
        self._rules = rules

    # -- reading

    def get(self, target: wire.Target, query: Query, shape: wire.Shape) -> web.Response:
        obj = self._store.peek(target.resource, target.namespace, target.name)
        return self._one(target, obj, query, shape)

    def listing(self, target: wire.Target, query: Query, shape: wire.Shape) -> web.Response:
        items = [self.versioned(target, obj) for obj in self._store.scan(target.resource, target.namespace, selection(target.resource, query, target.name))]
        metadata = {"resourceVersion": str(self._store.version)}
        if shape.kind == "Table":
            return wire.answer(tables.table(self._store, target.resource, items, metadata, query.get("includeObject", "Metadata")))
        if shape.kind:
            rows = [tables.partial(obj) for obj in items]
            return wire.answer({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": rows})
        return wire.answer({"kind": target.resource.list_name, "apiVersion": api_version(target), "metadata": metadata, "items": items})

    # -- writing

    def create(self, target: wire.Target, value: Any, query: Query, shape: wire.Shape) -> web.Response:
        res = target.resource
        obj, warnings = self._decode(target, value, query)
        data = obj.setdefault("metadata", {})
        if not data.get("name") and not data.get("generateName"):
            raise Invalid(res, "", [FieldError.required("metadata.name", "name or generateName is required")])
        if data.get("resourceVersion"):
            raise BadRequest("resourceVersion should not be set on objects to be created")
        if res.key == CRDS.key and crds.unsupported_rules(obj):
            warnings.append("x-kubernetes-validations: rules are stored, but the embedded engine does not evaluate them")
        if res.status and not res.custom:
            obj.pop("status", None)
        made = self._store.create(res, obj, dry_run=wire.dry_run(query))
        return self._one(target, made, query, shape, 201, warnings)

    def update(self, target: wire.Target, value: Any, query: Query, shape: wire.Shape) -> web.Response:
        res = target.resource
        subresource = self._writable(target)
        obj, warnings = self._decode(target, value, query)
        data = obj.setdefault("metadata", {})
        if data.setdefault("name", target.name) != target.name:
            raise BadRequest(f"the name of the object ({data['name']}) does not match the name on the URL ({target.name})")
        if res.custom and not data.get("resourceVersion"):
            self._store.peek(res, target.namespace, target.name)
            raise Invalid(
                res, target.name, [FieldError("metadata.resourceVersion", "FieldValueInvalid", "Invalid value: 0x0: must be specified for an update")]
            )
        made = self._store.update(res, obj, subresource=subresource, dry_run=wire.dry_run(query))
        return self._one(target, made, query, shape, 200, warnings)

    def patch(self, target: wire.Target, value: Any, media: str, query: Query, shape: wire.Shape) -> web.Response:
        res = target.resource
        patch.check_media(res, media)
        subresource = self._writable(target)
        before = self.versioned(target, self._store.peek(res, target.namespace, target.name))
        patched = patch.apply(res, before, value, media)
        data = patched.setdefault("metadata", {})
        if not isinstance(data, dict) or data.get("name") != target.name:
            raise BadRequest("the name of the object does not match the name on the URL")
        if data.get("resourceVersion") == before["metadata"]["resourceVersion"]:
            data.pop("resourceVersion")
        try:
            obj, warnings = self._decode(target, patched, query)
        except ApiError as error:
            prefix = f'{res.kind} in version "{target.version}" cannot be handled as a {res.kind}: '
            if error.code != 400 or not error.message.startswith(prefix + "strict decoding error"):
                raise
            cause = FieldError.invalid("patch", wire.dumps(value).decode(), error.message.removeprefix(prefix))
            causes = [{"reason": cause.reason, "message": cause.message, "field": cause.field}]
            raise ApiError(f' "" is invalid: {cause}', code=422, reason="Invalid", details={"causes": causes}) from None
        made = self._store.update(res, obj, subresource=subresource, dry_run=wire.dry_run(query))
        return self._one(target, made, query, shape, 200, warnings)

    def delete(self, target: wire.Target, options: Any, query: Query) -> web.Response:
        res = target.resource
        if target.subresource:
            raise MethodNotAllowed
        self._rules.delete(res, target.name)
        chosen = _delete_options(options, query)
        last = self._store.delete(res, target.namespace, target.name, **chosen)
        still_there = self._store.find(res, target.namespace, target.name) is not None
        if still_there or res.key == PODS.key:
            return wire.answer(self.versioned(target, last))
        details: Object = {"name": target.name, "kind": res.plural, "uid": last["metadata"]["uid"]}
        if res.group:
            details["group"] = res.group
        return wire.answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})

    def delete_collection(self, target: wire.Target, options: Any, query: Query) -> web.Response:
        res = target.resource
        if "deletecollection" not in res.verbs:
            raise MethodNotAllowed
        chosen = _delete_options(options, query)
        chosen.pop("uid")
        gone = []
        for obj in tuple(self._store.scan(res, target.namespace, selection(res, query, ""))):
            self._rules.delete(res, obj["metadata"]["name"])
            gone.append(self._store.delete(res, obj["metadata"].get("namespace"), obj["metadata"]["name"], **chosen))
        metadata = {"resourceVersion": str(self._store.version)}
        return wire.answer({"kind": res.list_name, "apiVersion": api_version(target), "metadata": metadata, "items": gone})

    # -- shapes

    def versioned(self, target: wire.Target, obj: Object) -> Object:
        """The object in the version that was asked for."""
        wanted = api_version(target)
        return obj if obj["apiVersion"] == wanted else {**obj, "apiVersion": wanted}

    def _one(self, target: wire.Target, obj: Object, query: Query, shape: wire.Shape, code: int = 200, warnings: list[str] | None = None) -> web.Response:
        obj = self.versioned(target, obj)
        if shape.kind == "Table":
            metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            obj = tables.table(self._store, target.resource, [obj], metadata, query.get("includeObject", "Metadata"))
        elif shape.kind:
            obj = tables.partial(obj)
        return wire.answer(obj, code, warnings=warnings)

    def _writable(self, target: wire.Target) -> str | None:
        """The subresource that a write is for. Raises MethodNotAllowed."""
        if not target.subresource:
            return None
        if target.subresource == "status" and target.resource.status:
            return "status"
        raise MethodNotAllowed

    # -- decoding

    def _decode(self, target: wire.Target, value: Any, query: Query) -> tuple[Object, list[str]]:
        """The object of a request, unknown fields removed, and the warnings about them. Raises BadRequest."""
        res = target.resource
        if not isinstance(value, dict):
            raise BadRequest(f'{res.kind} in version "{target.version}" cannot be handled as a {res.kind}: json: cannot unmarshal into a struct')
        obj = clone(value)
        self._check_type(target, obj)
        if not isinstance(obj.setdefault("metadata", {}), dict):
            obj["metadata"] = {}
        if target.namespace and obj["metadata"].setdefault("namespace", target.namespace) != target.namespace:
            raise BadRequest(
                f"the namespace of the provided object does not match the namespace sent on the request: {obj['metadata']['namespace']} != {target.namespace}"
            )
        if res.custom:
            unknown = [*schema.decode_metadata(res.kind, target.version, obj), *crds.prune(self._store, res, obj)]
            obj["apiVersion"] = res.api_version
        else:
            unknown = schema.decode(res, obj)
        return obj, self._judge(target, unknown, query)

    @staticmethod
    def _check_type(target: wire.Target, obj: Object) -> None:
        res = target.resource
        kind, version = obj.setdefault("kind", res.kind), obj.setdefault("apiVersion", api_version(target))
        if kind != res.kind:
            raise BadRequest(f'{kind} in version "{target.version}" cannot be handled as a {res.kind}: converting to {res.kind}: unknown conversion')
        if version != api_version(target):
            raise BadRequest(f"the API version in the data ({version}) does not match the expected API version ({api_version(target)})")

    @staticmethod
    def _judge(target: wire.Target, unknown: list[str], query: Query) -> list[str]:
        wanted = query.get("fieldValidation") or "Warn"
        if wanted not in _VALIDATION:
            allowed = ", ".join(f'"{choice}"' for choice in _VALIDATION)
            raise ApiError(f'fieldValidation: Unsupported value: "{wanted}": supported values: {allowed}', code=422, reason="Invalid", details={})
        texts = [f'unknown field "{path}"' for path in unknown]
        if texts and wanted == "Strict":
            kind = target.resource.kind
            raise BadRequest(f'{kind} in version "{target.version}" cannot be handled as a {kind}: strict decoding error: {", ".join(texts)}')
        return texts if wanted == "Warn" else []


def api_version(target: wire.Target) -> str:
    return f"{target.resource.group}/{target.version}" if target.resource.group else target.version


def selection(res: Resource, query: Query, name: str) -> Predicate | None:
    """What labelSelector and fieldSelector (and a name in the path) select."""
    chosen = both(labels(query.get("labelSelector", "")), fields(query.get("fieldSelector", ""), res.kind))
    if name:
        chosen = both(chosen, lambda obj: obj["metadata"]["name"] == name)
    return chosen


def _delete_options(options: Any, query: Query) -> dict[str, Any]:
    given = options if isinstance(options, dict) else {}
    conditions = given.get("preconditions") or {}
    grace = wire.number(query, "gracePeriodSeconds")
    if grace is None:
        grace = given.get("gracePeriodSeconds")
    propagation = query.get("propagationPolicy") or given.get("propagationPolicy")
    if propagation is None and "orphanDependents" in {**query, **given}:
        orphan = given.get("orphanDependents") or query.get("orphanDependents") == "true"
        propagation = "Orphan" if orphan else "Background"
    if propagation not in {None, "Background", "Foreground", "Orphan"}:
        text = f'propagationPolicy: Unsupported value: "{propagation}": supported values: "Foreground", "Background", "Orphan", "nil"'
        raise ApiError(f'DeleteOptions.meta.k8s.io "" is invalid: {text}', code=422, reason="Invalid", details={})
    return {
        "uid": conditions.get("uid"),
        "resource_version": conditions.get("resourceVersion"),
        "grace_period": grace,
        "propagation": propagation,
        "dry_run": wire.dry_run(query, given),
    }
