"""Who asks (client certificate or service account token) and whether they may (RBAC objects of the store)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leafspine_embedded.kube import tokens
from leafspine_embedded.kube.errors import ApiError, Forbidden
from leafspine_embedded.kube.objects import Object
from leafspine_embedded.kube.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES, SERVICEACCOUNTS, Resource

if TYPE_CHECKING:
    from leafspine_embedded.kube.store import Store

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/livez", "/version"})
_SUPERUSERS = frozenset({"system:masters"})
# What system:discovery and system:basic-user give to everybody who is authenticated.
_DISCOVERY = ("/api", "/apis", "/openapi", "/healthz", "/readyz", "/livez", "/version")
_SELF_REVIEWS = frozenset({"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"})


@dataclass(frozen=True)
class User:
    """An authenticated client."""

    name: str
    groups: tuple[str, ...]
    uid: str = ""


def from_certificate(certificate: Any) -> User | None:
    """The user a verified client certificate names (common name; organisations are groups). `certificate`: ssl.getpeercert()."""
    if not certificate:
        return None
    names, groups = [], ["system:authenticated"]
    for attributes in certificate.get("subject", ()):
        for key, value in attributes:
            if key == "commonName":
                names.append(value)
            elif key == "organizationName":
                groups.append(value)
    return User(names[0], tuple(groups)) if names else None


def from_token(store: Store, key: bytes, token: str) -> User | None:
    """The service account of a valid token whose account still exists."""
    claims = tokens.verify(key, token)
    if claims is None:
        return None
    about = claims["kubernetes.io"]
    namespace, account = about["namespace"], about["serviceaccount"]
    found = store.find(SERVICEACCOUNTS, namespace, account["name"])
    if found is None or found["metadata"]["uid"] != account["uid"]:
        return None
    groups = ("system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return User(claims["sub"], groups, account["uid"])


def impersonate(store: Store, user: User, name: str, groups: list[str]) -> User:
    """The user that `kubectl --as` asks to be. Raises ApiError 403 for who may not."""
    for resource, wanted in (("users", name), *(("groups", group) for group in groups)):
        if not may(store, user, "impersonate", "", resource, "", wanted):
            text = f'{resource} "{wanted}" is forbidden: User "{user.name}" cannot impersonate resource "{resource}" in API group "" at the cluster scope'
            raise ApiError(text, code=403, reason="Forbidden", details={"name": wanted, "kind": resource})
    given = list(groups)
    account = name.removeprefix("system:serviceaccount:")
    if account != name and not given:
        given = ["system:serviceaccounts", f"system:serviceaccounts:{account.partition(':')[0]}"]
    return User(name, tuple(dict.fromkeys([*given, "system:authenticated"])))


def may(store: Store, user: User, verb: str, group: str, resource: str, namespace: str = "", name: str = "") -> bool:
    """RBAC's answer. `resource` with its subresource: `pods/exec`."""
    if _SUPERUSERS & set(user.groups) or (verb == "create" and resource in _SELF_REVIEWS):
        return True
    return any(_covers(rule, verb, group, resource, name) for rule in rules_for(store, user, namespace))


def rules_for(store: Store, user: User, namespace: str) -> Iterable[Object]:
    """All policy rules that apply to the user in a namespace ("": cluster-wide only)."""
    for binding in store.scan(CLUSTERROLEBINDINGS):
        if _bound(binding, user, ""):
            yield from _role_rules(store, binding, "")
    if namespace:
        for binding in store.scan(ROLEBINDINGS, namespace):
            if _bound(binding, user, namespace):
                yield from _role_rules(store, binding, namespace)


def _bound(binding: Object, user: User, namespace: str) -> bool:
    for subject in binding.get("subjects", []):
        kind, name = subject.get("kind"), subject.get("name")
        if kind == "User" and name == user.name:
            return True
        if kind == "Group" and name in user.groups:
            return True
        if kind == "ServiceAccount" and user.name == f"system:serviceaccount:{subject.get('namespace', namespace)}:{name}":
            return True
    return False


def _role_rules(store: Store, binding: Object, namespace: str) -> list[Object]:
    reference = binding["roleRef"]
    role = store.find(ROLES, namespace, reference["name"]) if reference["kind"] == "Role" else store.find(CLUSTERROLES, None, reference["name"])
    return list((role or {}).get("rules") or [])


def _covers(rule: Object, verb: str, group: str, resource: str, name: str) -> bool:
    def listed(field: str, value: str) -> bool:
        return "*" in (rule.get(field) or ()) or value in (rule.get(field) or ())

    subresource = resource.partition("/")[2]
    fits = listed("resources", resource) or (bool(subresource) and f"*/{subresource}" in (rule.get("resources") or ()))
    names = rule.get("resourceNames")
    return listed("verbs", verb) and listed("apiGroups", group) and fits and (not names or name in names)


def require(store: Store, user: User, verb: str, res: Resource, subresource: str, namespace: str, name: str) -> None:
    """Raises Forbidden with the real text."""
    resource = f"{res.plural}/{subresource}" if subresource else res.plural
    if may(store, user, verb, res.group, resource, namespace, name):
        return
    scope = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    raise Forbidden(res, name, f'User "{user.name}" cannot {verb} resource "{resource}" in API group "{res.group}" {scope}')


def require_path(store: Store, user: User, verb: str, path: str) -> None:
    """The same for a path that is no resource."""
    if _SUPERUSERS & set(user.groups) or any(path == prefix or path.startswith(prefix + "/") for prefix in _DISCOVERY):
        return
    for rule in rules_for(store, user, ""):
        for pattern in rule.get("nonResourceURLs") or ():
            fits = path == pattern or (pattern.endswith("*") and path.startswith(pattern[:-1]))
            if fits and ({"*", verb} & set(rule.get("verbs") or ())):
                return
    raise ApiError(f'forbidden: User "{user.name}" cannot {verb} path "{path}"', code=403, reason="Forbidden", details={})
