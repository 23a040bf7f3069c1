"""Which groups, versions and resources there are: /api, /apis and their aggregated form."""

from __future__ import annotations

import platform
from collections.abc import Iterable

from leafspine_embedded.kube.errors import PathNotFound
from leafspine_embedded.kube.objects import Object
from leafspine_embedded.kube.resources import Registry, Resource

AGGREGATED = "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

# Requests that are answered and never stored: (group, kind, plural).
REVIEWS = (
    ("authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews"),
)
# Subresources besides status: resource -> (name, kind, verbs).
SUBRESOURCES: dict[tuple[str, str], tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    ("", "pods"): (
        ("binding", "Binding", ("create",)),
        ("eviction", "Eviction", ("create",)),
        ("exec", "PodExecOptions", ("create", "get")),
        ("log", "Pod", ("get",)),
    ),
    ("", "namespaces"): (("finalize", "Namespace", ("update",)),),
    ("", "serviceaccounts"): (("token", "TokenRequest", ("create",)),),
}
_STATUS_VERBS = ("get", "patch", "update")


def groups(registry: Registry) -> dict[str, list[str]]:
    """Served versions by group (the core group is ""), custom groups after the built-in ones."""
    found: dict[str, list[str]] = {"": []}
    for res in registry:
        versions = found.setdefault(res.group, [])
        versions.extend(version for version in res.versions if version not in versions)
    for group, _, _ in REVIEWS:
        found.setdefault(group, ["v1"])
    return found


def _in(registry: Registry, group: str, version: str) -> Iterable[Resource]:
    return (res for res in registry if res.group == group and version in res.versions)


def api_versions(address: str) -> Object:
    """/api"""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]}


def group_list(registry: Registry) -> Object:
    """/apis"""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name, versions) for name, versions in groups(registry).items() if name]}


def group(registry: Registry, name: str) -> Object:
    """/apis/<group>. Raises PathNotFound."""
    versions = groups(registry).get(name)
    if not name or versions is None:
        raise PathNotFound
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def _group(name: str, versions: list[str]) -> Object:
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def resource_list(registry: Registry, group_name: str, version: str) -> Object:
    """/api/v1 and /apis/<group>/<version>. Raises PathNotFound."""
    if version not in groups(registry).get(group_name, []):
        raise PathNotFound
    entries: list[Object] = []
    for res in _in(registry, group_name, version):
        entries.append(_entry(res))
        for name, kind, verbs in _subresources(res):
            entries.append({"name": f"{res.plural}/{name}", "singularName": "", "namespaced": res.namespaced, "kind": kind, "verbs": list(verbs)})
    for owner, kind, plural in REVIEWS:
        if owner == group_name:
            entries.append({"name": plural, "singularName": kind.lower(), "namespaced": False, "kind": kind, "verbs": ["create"]})
    label = f"{group_name}/{version}" if group_name else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": label, "resources": entries}


def _entry(res: Resource) -> Object:
    entry: Object = {"name": res.plural, "singularName": res.singular_name, "namespaced": res.namespaced, "kind": res.kind, "verbs": list(res.verbs)}
    if res.short_names:
        entry["shortNames"] = list(res.short_names)
    if res.categories:
        entry["categories"] = list(res.categories)
    return entry


def _subresources(res: Resource) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    yield from SUBRESOURCES.get(res.key, ())
    if res.status:
        yield "status", res.kind, _STATUS_VERBS


def aggregated(registry: Registry, core: bool) -> Object:
    """The APIGroupDiscoveryList that recent clients ask /api (core) and /apis for."""
    items = []
    for name, versions in groups(registry).items():
        if (name == "") is core:
            metadata = {"creationTimestamp": None} if core else {"name": name, "creationTimestamp": None}
            items.append({"metadata": metadata, "versions": [_aggregated_version(registry, name, version) for version in versions]})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _aggregated_version(registry: Registry, name: str, version: str) -> Object:
    entries: list[Object] = []
    for res in _in(registry, name, version):
        kind = {"group": res.group, "version": version, "kind": res.kind}
        entry: Object = {"resource": res.plural, "responseKind": kind, "scope": _scope(res), "singularResource": res.singular_name, "verbs": list(res.verbs)}
        if res.short_names:
            entry["shortNames"] = list(res.short_names)
        if res.categories:
            entry["categories"] = list(res.categories)
        subresources = [
            {"subresource": sub, "responseKind": {"group": res.group, "version": version, "kind": sub_kind}, "verbs": list(verbs)}
            for sub, sub_kind, verbs in _subresources(res)
        ]
        if subresources:
            entry["subresources"] = subresources
        entries.append(entry)
    for owner, review, plural in REVIEWS:
        if owner == name:
            kind = {"group": owner, "version": "v1", "kind": review}
            entries.append({"resource": plural, "responseKind": kind, "scope": "Cluster", "singularResource": review.lower(), "verbs": ["create"]})
    return {"version": version, "resources": entries, "freshness": "Current"}


def _scope(res: Resource) -> str:
    return "Namespaced" if res.namespaced else "Cluster"


def version_info(version: str) -> Object:
    """/version"""
    major, minor, _ = version.removeprefix("v").split(".", 2)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": version,
        "gitCommit": "embedded",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "go1.24.12",
        "compiler": "gc",
        "platform": f"linux/{machine}",
    }
