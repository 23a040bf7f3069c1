"""What the API server does to an object of a built-in type before it is stored: defaults, allocation, checks."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING

from leafspine_embedded.kube import crds, defaults, schema, services, workloads
from leafspine_embedded.kube.errors import FieldError, Forbidden, Invalid
from leafspine_embedded.kube.names import check_metadata
from leafspine_embedded.kube.objects import Object, clone
from leafspine_embedded.kube.resources import (
    CLUSTERROLEBINDINGS,
    CONFIGMAPS,
    CRDS,
    DAEMONSETS,
    DEPLOYMENTS,
    ENDPOINTSLICES,
    NAMESPACES,
    NODES,
    PODS,
    PRIORITYCLASSES,
    REPLICASETS,
    ROLEBINDINGS,
    SECRETS,
    SERVICEACCOUNTS,
    SERVICES,
    STORAGECLASSES,
    Resource,
)

if TYPE_CHECKING:
    from leafspine_embedded.kube.store import Store

_PROTECTED_NAMESPACES = {"default", "kube-system", "kube-public"}
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


class Rules:
    """The store's `admission`; `service_subnet` is where cluster addresses come from."""

    def __init__(self, store: Store, service_subnet: str) -> None:
        self._store = store
        self._allocator = services.Allocator(store, service_subnet)

    def create(self, res: Resource, obj: Object) -> None:
        if res.custom:
            self._custom(res, obj)
            return
        _DEFAULTS.get(res.key, _nothing)(obj)
        self._raise(res, obj, [*check_metadata(res, obj), *schema.missing(res, obj)])
        late = _LATE_DEFAULTS.get(res.key)
        if late is not None:
            late(obj)
        self._raise(res, obj, _check(res, obj))
        if res.key == PODS.key:
            self._pod(obj)
        elif res.key == SERVICES.key:
            self._allocator.allocate(obj)
            obj["status"] = {"loadBalancer": {}}
        elif res.key == DAEMONSETS.key:
            obj["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = "1"
        elif res.key == CRDS.key:
            crds.accept(self._store, obj)
        if res.status and res.key in {DAEMONSETS.key, DEPLOYMENTS.key, REPLICASETS.key}:
            obj["status"] = clone(_EMPTY_STATUS.get(res.key, {}))

    def update(self, res: Resource, obj: Object, old: Object, subresource: str | None) -> None:
        if subresource == "status":
            return
        if res.custom:
            self._custom(res, obj)
            return
        if res.key == SERVICES.key:
            services.carry_over(obj, old)
        _DEFAULTS.get(res.key, _nothing)(obj)
        self._raise(res, obj, [*check_metadata(res, obj), *schema.missing(res, obj)])
        late = _LATE_DEFAULTS.get(res.key)
        if late is not None:
            late(obj)
        self._raise(res, obj, [*_check(res, obj), *_check_change(res, obj, old)])
        if res.key == SERVICES.key:
            self._allocator.allocate(obj)
        elif res.key == DAEMONSETS.key:
            _count_template(obj, old)
        elif res.key == CRDS.key:
            crds.accept(self._store, obj)

    def delete(self, res: Resource, name: str) -> None:
        """Refuse what must not go."""
        if res.key == NAMESPACES.key and name in _PROTECTED_NAMESPACES:
            raise Forbidden(res, name, "this namespace may not be deleted")

    def _custom(self, res: Resource, obj: Object) -> None:
        self._raise(res, obj, check_metadata(res, obj))
        self._raise(res, obj, crds.validate(self._store, res, obj))

    def _pod(self, obj: Object) -> None:
        namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        account = obj["spec"]["serviceAccountName"]
        if self._store.find(SERVICEACCOUNTS, namespace, account) is None:
            raise Forbidden(PODS, name, f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found')
        wanted = obj["spec"].get("priorityClassName")
        if wanted:
            found = self._store.find(PRIORITYCLASSES, None, wanted)
            if found is None:
                raise Forbidden(PODS, name, f"no PriorityClass with name {wanted} was found")
            obj["spec"]["priority"] = found["value"]

    @staticmethod
    def _raise(res: Resource, obj: Object, errors: list[FieldError]) -> None:
        if errors:
            raise Invalid(res, obj["metadata"]["name"], errors)


def _nothing(obj: Object) -> None:
    del obj


def _namespace(obj: Object) -> None:
    name = obj["metadata"]["name"]
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name
    obj.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    obj.setdefault("status", {}).setdefault("phase", "Active")


def _secret(obj: Object) -> None:
    obj.setdefault("type", "Opaque")
    for key, value in (obj.pop("stringData", None) or {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()


def _slice(obj: Object) -> None:
    obj.setdefault("endpoints", [])
    for port in obj.setdefault("ports", []):
        defaults.fill(port, name="", protocol="TCP")


def _binding(obj: Object) -> None:
    obj.get("roleRef", {}).setdefault("apiGroup", "rbac.authorization.k8s.io")
    for subject in obj.get("subjects", []):
        if subject.get("kind") in {"User", "Group"}:
            defaults.fill(subject, apiGroup="rbac.authorization.k8s.io")


def _storage_class(obj: Object) -> None:
    defaults.fill(obj, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def _priority_class(obj: Object) -> None:
    defaults.fill(obj, preemptionPolicy="PreemptLowerPriority")


def _spec(obj: Object) -> None:
    """Go has no missing structs: an absent spec is an empty one, and its fields are what is missing."""
    spec = obj.setdefault("spec", {})
    if "template" in spec:
        spec["template"].setdefault("spec", {})


# First the ones that checks of missing fields rely on, then (late) those that rely on nothing being missing.
_DEFAULTS: dict[tuple[str, str], Callable[[Object], None]] = {
    NAMESPACES.key: _namespace,
    SECRETS.key: _secret,
    SERVICES.key: services.defaults,
    ENDPOINTSLICES.key: _slice,
    ROLEBINDINGS.key: _binding,
    CLUSTERROLEBINDINGS.key: _binding,
    STORAGECLASSES.key: _storage_class,
    PRIORITYCLASSES.key: _priority_class,
    CRDS.key: crds.defaults,
    PODS.key: _spec,
    DAEMONSETS.key: _spec,
    DEPLOYMENTS.key: _spec,
    REPLICASETS.key: _spec,
}


def _late_pod(obj: Object) -> None:
    defaults.pod_spec(obj["spec"])
    if "phase" not in obj.get("status", {}):
        defaults.pod(obj)


_LATE_DEFAULTS: dict[tuple[str, str], Callable[[Object], None]] = {
    PODS.key: _late_pod,
    DAEMONSETS.key: defaults.daemonset,
    DEPLOYMENTS.key: defaults.deployment,
    REPLICASETS.key: defaults.replicaset,
}
_EMPTY_STATUS: dict[tuple[str, str], Object] = {
    DAEMONSETS.key: {"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0},
    REPLICASETS.key: {"replicas": 0},
}


def _check(res: Resource, obj: Object) -> list[FieldError]:
    if res.key == PODS.key:
        return workloads.check_pod_spec(obj["spec"], "spec")
    if res.key in {DAEMONSETS.key, DEPLOYMENTS.key, REPLICASETS.key}:
        return workloads.check_template(obj["spec"])
    if res.key == SERVICES.key:
        return services.check(obj)
    if res.key == NODES.key:
        return workloads.check_taints(obj.get("spec", {}).get("taints") or [])
    if res.key in {CONFIGMAPS.key, SECRETS.key}:
        return workloads.check_config_keys(obj)
    if res.key == CRDS.key:
        return crds.check(obj)
    return []


def _check_change(res: Resource, obj: Object, old: Object) -> list[FieldError]:
    """Fields that may not change."""
    if res.key == PODS.key:
        return workloads.check_pod_update(obj["spec"], old["spec"])
    if res.key in {DAEMONSETS.key, DEPLOYMENTS.key, REPLICASETS.key} and obj["spec"]["selector"] != old["spec"]["selector"]:
        return [FieldError.invalid("spec.selector", obj["spec"]["selector"], "field is immutable")]
    if res.key == SERVICES.key:
        before, after = old["spec"].get("clusterIP"), obj["spec"].get("clusterIP")
        if before and after and before != after and "ExternalName" not in {obj["spec"]["type"], old["spec"]["type"]}:
            return [FieldError.invalid("spec.clusterIPs[0]", [after], "may not change once set")]
    if res.key == SECRETS.key and obj.get("type") != old.get("type"):
        return [FieldError.invalid("type", obj.get("type"), "field is immutable")]
    if res.key in {CONFIGMAPS.key, SECRETS.key} and old.get("immutable") and (obj.get("data") != old.get("data") or not obj.get("immutable")):
        return [FieldError.forbidden("data", "field is immutable when `immutable` is set")]
    if res.key in {ROLEBINDINGS.key, CLUSTERROLEBINDINGS.key} and obj["roleRef"] != old["roleRef"]:
        return [FieldError.invalid("roleRef", obj["roleRef"], "cannot change roleRef")]
    if res.key == ENDPOINTSLICES.key and obj["addressType"] != old["addressType"]:
        return [FieldError.invalid("addressType", obj["addressType"], "field is immutable")]
    if res.key == NODES.key and old.get("spec", {}).get("podCIDR") and obj.get("spec", {}).get("podCIDR") != old["spec"]["podCIDR"]:
        return [FieldError.forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')]
    return []


def _count_template(obj: Object, old: Object) -> None:
    """DaemonSets count the generations of their template in an annotation."""
    count = int(old["metadata"].get("annotations", {}).get(TEMPLATE_GENERATION, "1"))
    if obj["spec"]["template"] != old["spec"]["template"]:
        count += 1
    obj["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = str(count)
