"""What follows a change by rule, at once: namespaces get their basics and end with their contents, dependents go with their owners.

These are the real API's namespace, service account, root CA and garbage collection controllers; here they are callbacks of the store.
"""

from __future__ import annotations

from collections.abc import Iterator

from leafspine_embedded.kube.errors import ApiError
from leafspine_embedded.kube.objects import Object, clone
from leafspine_embedded.kube.resources import CONFIGMAPS, EVENTS, NAMESPACES, SERVICEACCOUNTS, Resource
from leafspine_embedded.kube.store import Change, Store, age_seconds

_EVENT_LIFETIME = 3600.0


class Lifecycle:
    """`start` once the store is loaded; `ca` is the text of the certificate that every namespace carries."""

    def __init__(self, store: Store, ca: str) -> None:
        self._store = store
        self._ca = ca

    def start(self) -> None:
        """Follow changes; also finish what a killed process left half done."""
        self._store.on_change(self._react)
        for namespace in tuple(self._store.scan(NAMESPACES)):
            if "deletionTimestamp" in namespace["metadata"]:
                self._empty(namespace["metadata"]["name"])
            else:
                self._furnish(namespace["metadata"]["name"])

    def expire_events(self) -> None:
        """Events live an hour, as in the real API."""
        for event in tuple(self._store.scan(EVENTS)):
            data = event["metadata"]
            if age_seconds(event.get("lastTimestamp") or data["creationTimestamp"]) > _EVENT_LIFETIME:
                self._store.finalize(EVENTS, data["namespace"], data["name"])

    def _react(self, change: Change) -> None:
        data = change.obj["metadata"]
        if change.resource.key == NAMESPACES.key:
            if change.type == "ADDED":
                self._furnish(data["name"])
            elif change.type == "MODIFIED" and "deletionTimestamp" in data:
                self._empty(data["name"])
        if change.type == "DELETED":
            self._owner_gone(change.obj)
            self._dependent_gone(change.obj)
            self._check_namespace(data.get("namespace"))
        elif change.type == "ADDED":
            self._check_owner(change.resource, change.obj)
        elif "deletionTimestamp" in data:
            self._propagate(change.resource, change.obj)

    # -- namespaces

    def _furnish(self, name: str) -> None:
        account: Object = {"metadata": {"name": "default", "namespace": name}}
        trust: Object = {"metadata": {"name": "kube-root-ca.crt", "namespace": name}, "data": {"ca.crt": self._ca}}
        for res, obj in ((SERVICEACCOUNTS, account), (CONFIGMAPS, trust)):
            if self._store.find(res, name, obj["metadata"]["name"]) is None:
                self._store.create(res, obj)

    def _contents(self, namespace: str) -> Iterator[tuple[Resource, Object]]:
        for res in self._store.registry:
            if res.namespaced:
                for obj in tuple(self._store.scan(res, namespace)):
                    yield res, obj

    def _empty(self, namespace: str) -> None:
        for res, obj in tuple(self._contents(namespace)):
            if "deletionTimestamp" not in obj["metadata"]:
                self._delete(res, obj)
        self._check_namespace(namespace)

    def _check_namespace(self, name: str | None) -> None:
        if not name:
            return
        holder = self._store.find(NAMESPACES, None, name)
        if holder is not None and "deletionTimestamp" in holder["metadata"] and next(self._contents(name), None) is None:
            self._store.finalize(NAMESPACES, None, name)

    # -- owners and dependents

    def _dependents(self, uid: str, namespace: str | None) -> Iterator[tuple[Resource, Object]]:
        """Objects that name the owner; a namespaced owner has them in its own namespace only."""
        for res in self._store.registry:
            for obj in tuple(self._store.scan(res, namespace or None)):
                if any(owner.get("uid") == uid for owner in obj["metadata"].get("ownerReferences", [])):
                    yield res, obj

    def _owner_gone(self, owner: Object) -> None:
        uid = owner["metadata"]["uid"]
        for res, obj in tuple(self._dependents(uid, owner["metadata"].get("namespace"))):
            others = [entry for entry in obj["metadata"]["ownerReferences"] if entry["uid"] != uid]
            if any(self._exists(entry, obj) for entry in others):
                self._set_owners(res, obj, others)
            elif "deletionTimestamp" not in obj["metadata"]:
                self._delete(res, obj)

    def _check_owner(self, res: Resource, obj: Object) -> None:
        """A dependent that was made after its owner went."""
        owners = obj["metadata"].get("ownerReferences")
        if owners and not any(self._exists(entry, obj) for entry in owners):
            self._delete(res, obj)

    def _exists(self, entry: Object, dependent: Object) -> bool:
        owner_type = self._store.registry.by_api_version(entry.get("apiVersion", ""), entry.get("kind", ""))
        if owner_type is None:
            return True  # not ours to judge
        found = self._store.find(owner_type, dependent["metadata"].get("namespace") if owner_type.namespaced else None, entry.get("name", ""))
        return found is not None and found["metadata"]["uid"] == entry["uid"]

    def _propagate(self, res: Resource, owner: Object) -> None:
        """Foreground and orphan deletion: the finalizer stays until the dependents are dealt with."""
        data = owner["metadata"]
        finalizers = data.get("finalizers", [])
        if "orphan" in finalizers:
            for kind, obj in tuple(self._dependents(data["uid"], data.get("namespace"))):
                self._set_owners(kind, obj, [entry for entry in obj["metadata"]["ownerReferences"] if entry["uid"] != data["uid"]])
            self._drop_finalizer(res, owner, "orphan")
        elif "foregroundDeletion" in finalizers:
            dependents = tuple(self._dependents(data["uid"], data.get("namespace")))
            for kind, obj in dependents:
                if "deletionTimestamp" not in obj["metadata"]:
                    self._delete(kind, obj, "Foreground")
            if next(self._dependents(data["uid"], data.get("namespace")), None) is None:
                self._drop_finalizer(res, owner, "foregroundDeletion")

    def _dependent_gone(self, obj: Object) -> None:
        for entry in obj["metadata"].get("ownerReferences", []):
            owner_type = self._store.registry.by_api_version(entry.get("apiVersion", ""), entry.get("kind", ""))
            if owner_type is None:
                continue
            owner = self._store.find(owner_type, obj["metadata"].get("namespace") if owner_type.namespaced else None, entry["name"])
            if owner is not None and owner["metadata"]["uid"] == entry["uid"] and "foregroundDeletion" in owner["metadata"].get("finalizers", []):
                self._propagate(owner_type, owner)

    def _drop_finalizer(self, res: Resource, obj: Object, finalizer: str) -> None:
        current = self._store.find(res, obj["metadata"].get("namespace"), obj["metadata"]["name"])
        if current is not None:
            current["metadata"]["finalizers"] = [entry for entry in current["metadata"].get("finalizers", []) if entry != finalizer]
            self._store.update(res, current)

    def _set_owners(self, res: Resource, obj: Object, owners: list[Object]) -> None:
        changed = clone(obj)
        if owners:
            changed["metadata"]["ownerReferences"] = owners
        else:
            changed["metadata"].pop("ownerReferences", None)
        self._store.update(res, changed)

    def _delete(self, res: Resource, obj: Object, propagation: str = "Background") -> None:
        try:
            self._store.delete(res, obj["metadata"].get("namespace"), obj["metadata"]["name"], uid=obj["metadata"]["uid"], propagation=propagation)
        except ApiError as error:
            if error.code != 404:  # gone already: another rule was faster
                raise
