"""Which resources the API knows: the built-in ones and those that CustomResourceDefinitions add.

Controllers use the constants (`PODS`, `NODES`, ...); for custom resources `Registry.find(group, plural)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Resource:
    """One served type. `status`: has a status subresource; `generation`: metadata.generation counts spec changes."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    singular: str = ""
    list_kind: str = ""
    status: bool = False
    generation: bool = False
    custom: bool = False
    served: tuple[str, ...] = ()
    verbs: tuple[str, ...] = field(default=ALL_VERBS)

    @property
    def key(self) -> tuple[str, str]:
        """(group, plural): identifies the resource whatever version serves it."""
        return (self.group, self.plural)

    @property
    def api_version(self) -> str:
        """As objects carry it: `v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def versions(self) -> tuple[str, ...]:
        """All versions that are served; the stored one is `version`."""
        return self.served or (self.version,)

    @property
    def qualified(self) -> str:
        """As errors name it: `pods`, `daemonsets.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular_name(self) -> str:
        return self.singular or self.kind.lower()

    @property
    def list_name(self) -> str:
        return self.list_kind or f"{self.kind}List"


_ALL = ("all",)
_RBAC = "rbac.authorization.k8s.io"

NAMESPACES = Resource("", "v1", "Namespace", "namespaces", False, ("ns",), status=True)
NODES = Resource("", "v1", "Node", "nodes", False, ("no",), status=True)
PODS = Resource("", "v1", "Pod", "pods", True, ("po",), _ALL, status=True, generation=True)
SERVICES = Resource("", "v1", "Service", "services", True, ("svc",), _ALL, status=True)
ENDPOINTS = Resource("", "v1", "Endpoints", "endpoints", True, ("ep",), singular="endpoints")
CONFIGMAPS = Resource("", "v1", "ConfigMap", "configmaps", True, ("cm",))
SECRETS = Resource("", "v1", "Secret", "secrets", True)
SERVICEACCOUNTS = Resource("", "v1", "ServiceAccount", "serviceaccounts", True, ("sa",))
EVENTS = Resource("", "v1", "Event", "events", True, ("ev",))
DAEMONSETS = Resource("apps", "v1", "DaemonSet", "daemonsets", True, ("ds",), _ALL, status=True, generation=True)
DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments", True, ("deploy",), _ALL, status=True, generation=True)
REPLICASETS = Resource("apps", "v1", "ReplicaSet", "replicasets", True, ("rs",), _ALL, status=True, generation=True)
CONTROLLERREVISIONS = Resource("apps", "v1", "ControllerRevision", "controllerrevisions", True)
ENDPOINTSLICES = Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", True, generation=True)
LEASES = Resource("coordination.k8s.io", "v1", "Lease", "leases", True)
PRIORITYCLASSES = Resource("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", False, ("pc",), generation=True)
STORAGECLASSES = Resource("storage.k8s.io", "v1", "StorageClass", "storageclasses", False, ("sc",))
ROLES = Resource(_RBAC, "v1", "Role", "roles", True)
ROLEBINDINGS = Resource(_RBAC, "v1", "RoleBinding", "rolebindings", True)
CLUSTERROLES = Resource(_RBAC, "v1", "ClusterRole", "clusterroles", False)
CLUSTERROLEBINDINGS = Resource(_RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", False)
CRDS = Resource(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    False,
    ("crd", "crds"),
    ("api-extensions",),
    status=True,
    generation=True,
)

BUILTIN = (
    NAMESPACES, NODES, PODS, SERVICES, ENDPOINTS, CONFIGMAPS, SECRETS, SERVICEACCOUNTS, EVENTS,
    DAEMONSETS, DEPLOYMENTS, REPLICASETS, CONTROLLERREVISIONS, ENDPOINTSLICES, LEASES, PRIORITYCLASSES, STORAGECLASSES,
    ROLES, ROLEBINDINGS, CLUSTERROLES, CLUSTERROLEBINDINGS, CRDS,
)  # fmt: skip


class Registry:
    """All resources known right now; CustomResourceDefinitions add and remove entries."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str], Resource] = {}
        self._by_kind: dict[tuple[str, str], Resource] = {}
        for res in BUILTIN:
            self.add(res)

    def add(self, res: Resource) -> None:
        """Add or replace (same group and plural)."""
        old = self._by_key.get(res.key)
        if old is not None:
            self._by_kind.pop((old.group, old.kind), None)
        self._by_key[res.key] = res
        self._by_kind[(res.group, res.kind)] = res

    def remove(self, group: str, plural: str) -> None:
        res = self._by_key.pop((group, plural), None)
        if res is not None:
            self._by_kind.pop((res.group, res.kind), None)

    def find(self, group: str, plural: str) -> Resource | None:
        return self._by_key.get((group, plural))

    def by_kind(self, group: str, kind: str) -> Resource | None:
        return self._by_kind.get((group, kind))

    def by_api_version(self, api_version: str, kind: str) -> Resource | None:
        """By what an object says of itself; None also when that version is not served."""
        group, _, version = api_version.rpartition("/")
        res = self.by_kind(group, kind)
        return res if res is not None and version in res.versions else None

    def __iter__(self) -> Iterator[Resource]:
        return iter(tuple(self._by_key.values()))
