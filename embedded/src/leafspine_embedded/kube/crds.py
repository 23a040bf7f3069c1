"""CustomResourceDefinitions: what they must look like, the resources they create, the objects of those resources.

One schema serves all versions of a definition, the stored one's (conversion strategy None); CEL rules are not evaluated and say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leafspine_embedded.kube import structural
from leafspine_embedded.kube.errors import FieldError
from leafspine_embedded.kube.names import label_1035_error, subdomain_error
from leafspine_embedded.kube.objects import Object, now
from leafspine_embedded.kube.resources import BUILTIN, CRDS, Resource

if TYPE_CHECKING:
    from leafspine_embedded.kube.store import Change, Store

_APPROVED = "api-approved.kubernetes.io"
_NO_SCHEMA: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def defaults(obj: Object) -> None:
    """Names and conversion that the API server fills in."""
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    names = spec.get("names")
    if isinstance(names, dict) and isinstance(names.get("kind"), str):
        names.setdefault("singular", names["kind"].lower())
        names.setdefault("listKind", names["kind"] + "List")
    spec.setdefault("conversion", {"strategy": "None"})


def check(obj: Object) -> list[FieldError]:
    """Rules for a definition itself."""
    spec, errors = obj["spec"], []
    wanted = f"{spec['names']['plural']}.{spec['group']}"
    if obj["metadata"]["name"] != wanted:
        errors.append(FieldError.invalid("metadata.name", obj["metadata"]["name"], 'must be spec.names.plural+"."+spec.group'))
    if problem := subdomain_error(spec["group"]):
        errors.append(FieldError.invalid("spec.group", spec["group"], problem))
    elif "." not in spec["group"]:
        errors.append(FieldError.invalid("spec.group", spec["group"], "should be a domain with at least one dot"))
    if problem := label_1035_error(spec["names"]["plural"]):
        errors.append(FieldError.invalid("spec.names.plural", spec["names"]["plural"], problem))
    if spec["scope"] not in {"Cluster", "Namespaced"}:
        errors.append(FieldError.unsupported("spec.scope", spec["scope"], ["Cluster", "Namespaced"]))
    if spec["conversion"].get("strategy") != "None":
        errors.append(FieldError.unsupported("spec.conversion.strategy", spec["conversion"].get("strategy"), ["None"]))
    if sum(bool(version.get("storage")) for version in spec["versions"]) != 1:
        errors.append(
            FieldError.invalid("spec.versions", [version["name"] for version in spec["versions"]], "must have exactly one version marked as storage version")
        )
    errors.extend(_group_problems(obj))
    for index, version in enumerate(spec["versions"]):
        path = f"spec.versions[{index}].schema.openAPIV3Schema"
        found = version.get("schema", {}).get("openAPIV3Schema")
        if not found:
            errors.append(FieldError.required(path, "schemas are required"))
        else:
            errors.extend(structural.check_patterns(found, path))
    return errors


def _group_problems(obj: Object) -> list[FieldError]:
    """Kubernetes' own groups are not for everybody."""
    group = obj["spec"]["group"]
    if group in {res.group for res in BUILTIN}:
        return [FieldError.invalid("spec.group", group, "this group is built in")]
    protected = group in {"k8s.io", "kubernetes.io"} or group.endswith((".k8s.io", ".kubernetes.io"))
    if protected and not obj["metadata"].get("annotations", {}).get(_APPROVED):
        why = f'protected groups must have approval annotation "{_APPROVED}", see https://github.com/kubernetes/enhancements/pull/1111'
        return [FieldError.required(f"metadata.annotations[{_APPROVED}]", why)]
    return []


def accept(store: Store, obj: Object) -> None:
    """The status that the establishing controllers would write; here the resource is served at once."""
    spec = obj["spec"]
    kept = obj.get("status") or {}
    stored = [*kept.get("storedVersions", [])]
    storage = next(version["name"] for version in spec["versions"] if version.get("storage"))
    if storage not in stored:
        stored.append(storage)
    conditions = kept.get("conditions")
    if not conditions:
        moment = now()
        conditions = [
            {"lastTransitionTime": moment, "message": "no conflicts found", "reason": "NoConflicts", "status": "True", "type": "NamesAccepted"},
            {
                "lastTransitionTime": moment,
                "message": "the initial names have been accepted",
                "reason": "InitialNamesAccepted",
                "status": "True",
                "type": "Established",
            },
        ]
    obj["status"] = {"acceptedNames": dict(spec["names"]), "conditions": conditions, "storedVersions": stored}
    del store


def unsupported_rules(obj: Object) -> bool:
    """True when the definition has CEL rules, which nothing here evaluates."""

    def has(value: Any) -> bool:
        if isinstance(value, dict):
            return "x-kubernetes-validations" in value or any(has(item) for item in value.values())
        return isinstance(value, list) and any(has(item) for item in value)

    return has(obj.get("spec", {}).get("versions"))


def resource(obj: Object) -> Resource:
    """The resource that a definition adds."""
    spec = obj["spec"]
    storage = next(version for version in spec["versions"] if version.get("storage"))
    names = spec["names"]
    return Resource(
        spec["group"],
        storage["name"],
        names["kind"],
        names["plural"],
        spec["scope"] == "Namespaced",
        tuple(names.get("shortNames", ())),
        tuple(names.get("categories", ())),
        singular=names["singular"],
        list_kind=names["listKind"],
        status="status" in storage.get("subresources", {}),
        generation=True,
        custom=True,
        served=tuple(version["name"] for version in spec["versions"] if version.get("served")),
    )


def follow(store: Store) -> None:
    """Keep the store's registry equal to its definitions, and end the objects of a definition that is deleted."""
    for obj in store.scan(CRDS):
        store.registry.add(resource(obj))

    def react(change: Change) -> None:
        if change.resource.key != CRDS.key:
            return
        res = resource(change.obj)
        if change.type != "DELETED":
            store.registry.add(res)
            return
        for item in tuple(store.scan(res)):
            store.finalize(res, item["metadata"].get("namespace"), item["metadata"]["name"])
        store.registry.remove(res.group, res.plural)

    store.on_change(react)


def storage_version(store: Store, res: Resource) -> Object:
    """The stored version of a custom resource's definition: schema, subresources, additionalPrinterColumns."""
    definition = store.peek(CRDS, None, f"{res.plural}.{res.group}")
    found: Object = next(version for version in definition["spec"]["versions"] if version.get("storage"))
    return found


def schema_of(store: Store, res: Resource) -> structural.Schema:
    schema: structural.Schema = storage_version(store, res).get("schema", {}).get("openAPIV3Schema", _NO_SCHEMA)
    return schema


def prune(store: Store, res: Resource, obj: Object) -> list[str]:
    """Remove fields the schema does not know; returns their paths. Fills in defaults."""
    schema = schema_of(store, res)
    unknown = structural.prune(obj, schema)
    structural.default(obj, schema)
    return unknown


def validate(store: Store, res: Resource, obj: Object) -> list[FieldError]:
    return list(structural.validate(obj, schema_of(store, res)))
