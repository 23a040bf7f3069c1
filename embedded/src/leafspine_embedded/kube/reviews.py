"""Requests that are answered and not stored: access reviews, tokens, bindings, evictions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from leafspine_embedded.kube import auth, tokens, wire
from leafspine_embedded.kube.errors import BadRequest, Conflict, NotFound
from leafspine_embedded.kube.objects import Object, clone, now
from leafspine_embedded.kube.resources import NODES, PODS, SERVICEACCOUNTS

if TYPE_CHECKING:
    from leafspine_embedded.kube.store import Store

_LONGEST_TOKEN = 24 * 3600


def review(store: Store, user: auth.User, plural: str, body: Any) -> Object:
    """selfsubjectaccessreviews, selfsubjectrulesreviews, selfsubjectreviews: the body with its status. Raises BadRequest."""
    if not isinstance(body, dict) or (plural != "selfsubjectreviews" and not isinstance(body.get("spec"), dict)):
        raise BadRequest("the review has no spec")
    result = clone(body)
    result.setdefault("metadata", {})
    if plural == "selfsubjectreviews":
        result["status"] = {"userInfo": {"username": user.name, "uid": user.uid, "groups": list(user.groups)}}
    elif plural == "selfsubjectaccessreviews":
        result["status"] = _access(store, user, body["spec"])
    else:
        rules = [rule for rule in auth.rules_for(store, user, body["spec"].get("namespace", "")) if rule.get("resources")]
        if "system:masters" in user.groups:
            rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
        result["status"] = {"resourceRules": rules, "nonResourceRules": [], "incomplete": False}
    return result


def _access(store: Store, user: auth.User, spec: Object) -> Object:
    about = spec.get("resourceAttributes")
    if about is None:
        allowed = "system:masters" in user.groups
        return {"allowed": allowed} if allowed else {"allowed": False, "reason": "non-resource paths: not allowed"}
    resource = about.get("resource", "")
    if about.get("subresource"):
        resource += "/" + about["subresource"]
    allowed = auth.may(store, user, about.get("verb", ""), about.get("group", ""), resource, about.get("namespace", ""), about.get("name", ""))
    return {"allowed": allowed}


def token(store: Store, key: bytes, target: wire.Target, body: Any) -> Object:
    """POST .../serviceaccounts/<name>/token"""
    account = store.peek(SERVICEACCOUNTS, target.namespace, target.name)
    spec = dict((body or {}).get("spec") or {})
    seconds = min(max(int(spec.get("expirationSeconds") or 3600), 600), _LONGEST_TOKEN)
    text = tokens.mint(key, target.namespace, target.name, account["metadata"]["uid"], seconds=seconds)
    spec.setdefault("audiences", [tokens.ISSUER])
    spec["expirationSeconds"] = seconds
    expires = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = {"name": target.name, "namespace": target.namespace, "creationTimestamp": now()}
    status = {"token": text, "expirationTimestamp": expires}
    return {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": metadata, "spec": spec, "status": status}


def bind(store: Store, target: wire.Target, body: Any) -> Object:
    """POST .../pods/<name>/binding: what a scheduler does."""
    node = ((body or {}).get("target") or {}).get("name", "")
    if store.find(NODES, None, node) is None:
        raise NotFound(NODES, node)
    pod = store.get(PODS, target.namespace, target.name)
    if pod["spec"].get("nodeName"):
        raise Conflict(PODS, target.name, f'pod {target.name} is already assigned to node "{pod["spec"]["nodeName"]}"')
    pod["spec"]["nodeName"] = node
    store.update(PODS, pod)
    return success(201)


def evict(store: Store, target: wire.Target, body: Any) -> Object:
    """POST .../pods/<name>/eviction; there are no disruption budgets here."""
    options = (body or {}).get("deleteOptions") or {}
    store.delete(PODS, target.namespace, target.name, grace_period=options.get("gracePeriodSeconds"), dry_run=bool(options.get("dryRun")))
    return success(201)


def success(code: int) -> Object:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code}
