"""Deployments and ReplicaSets, the minimum: the number of replicas is kept, a changed template replaces them.

Not the real rolling logic: the new ReplicaSet comes up as a whole (as with maxSurge 100%), and when all of it is available the old one goes;
with strategy Recreate the old one goes first. No progress deadline, no proportional scaling.
"""

from __future__ import annotations

from leafspine_embedded.kube.context import ClusterContext
from leafspine_embedded.kube.errors import ApiError
from leafspine_embedded.kube.objects import Object, clone, now, owner_reference
from leafspine_embedded.kube.resources import DEPLOYMENTS, PODS, REPLICASETS
from leafspine_embedded.kube.store import Store
from leafspine_embedded.node.events import Recorder

from . import loop, pods

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


class ReplicaSets:
    """Keeps as many pods as a ReplicaSet asks for."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.record = Recorder(store, "replicaset-controller")

    def look(self) -> float | None:
        waits = [self._one(replica) for replica in list(self.store.scan(REPLICASETS)) if "deletionTimestamp" not in replica["metadata"]]
        return min((wait for wait in waits if wait is not None), default=None)

    def _own(self, replica: Object) -> list[Object]:
        found = self.store.scan(PODS, replica["metadata"]["namespace"])
        return [pod for pod in found if pods.owned_by(pod, replica) and not pods.is_terminating(pod) and not pods.is_over(pod)]

    def _one(self, replica: Object) -> float | None:
        wanted = int(replica["spec"].get("replicas", 1))
        own = self._own(replica)
        for _ in range(wanted - len(own)):
            self._create(replica)
        # Those that serve least go first: unscheduled, not ready, youngest.
        order = sorted(own, key=lambda pod: (bool(pod["spec"].get("nodeName")), pods.is_ready(pod), _negative_age(pod)))
        for pod in order[: max(0, len(own) - wanted)]:
            self.store.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"], uid=pod["metadata"]["uid"])
            self.record(replica, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
        return self._status(replica)

    def _create(self, replica: Object) -> None:
        try:
            pod = self.store.create(PODS, pods.from_template(replica, replica["spec"]["template"], {}))
        except ApiError as error:
            self.record(replica, "FailedCreate", f"Error creating: {error}", kind="Warning")
            return
        self.record(replica, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")

    def _status(self, replica: Object) -> float | None:
        own = self._own(replica)
        waits = [pods.available_in(pod, int(replica["spec"].get("minReadySeconds") or 0)) for pod in own]
        status: Object = {"replicas": len(own), "observedGeneration": replica["metadata"].get("generation", 1)}
        for key, count in (
            ("fullyLabeledReplicas", len(own)),
            ("readyReplicas", sum(pods.is_ready(pod) for pod in own)),
            ("availableReplicas", sum(wait == 0.0 for wait in waits)),
        ):
            if count:
                status[key] = count
        if replica.get("status") != status:
            self.store.update(REPLICASETS, {**clone(replica), "status": status}, subresource="status")
        return min((wait for wait in waits if wait), default=None)


def _negative_age(pod: Object) -> str:
    """Sorts younger pods first when used after values that sort ascending."""
    return "".join(chr(0x10FFFF - ord(char)) for char in pod["metadata"]["creationTimestamp"])


class Deployments:
    """Keeps one ReplicaSet per template, and the replicas in the newest."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.record = Recorder(store, "deployment-controller")

    def look(self) -> None:
        for deployment in list(self.store.scan(DEPLOYMENTS)):
            if "deletionTimestamp" not in deployment["metadata"]:
                self._one(deployment)

    def _sets(self, deployment: Object) -> list[Object]:
        return [item for item in self.store.scan(REPLICASETS, deployment["metadata"]["namespace"]) if pods.owned_by(item, deployment)]

    def _one(self, deployment: Object) -> None:
        template_hash = pods.template_hash(deployment["spec"]["template"])
        name = f"{deployment['metadata']['name']}-{template_hash}"
        everything = self._sets(deployment)
        present = next((item for item in everything if item["metadata"]["name"] == name), None)
        old = [item for item in everything if item is not present]
        if not deployment["spec"].get("paused"):
            present = self._advance(deployment, name, template_hash, present, old)
            self._forget(deployment, old)
        self._status(deployment, present)

    def _advance(self, deployment: Object, name: str, template_hash: str, present: Object | None, old: list[Object]) -> Object | None:
        wanted = int(deployment["spec"].get("replicas", 1))
        recreate = (deployment["spec"].get("strategy") or {}).get("type") == "Recreate"
        living = [item for item in old if item["spec"].get("replicas") or (item.get("status") or {}).get("replicas")]
        if recreate and living:
            for item in living:
                self._scale(deployment, item, 0)
            return present
        revision = max((_revision(item) for item in old), default=0) + 1
        if present is None:
            present = self._make(deployment, name, template_hash, wanted, revision)
        elif int(present["spec"].get("replicas", 0)) != wanted or _revision(present) < revision:
            present = self._scale(deployment, present, wanted, max(revision, _revision(present)))
        if int((present.get("status") or {}).get("availableReplicas") or 0) >= wanted:
            for item in living:
                self._scale(deployment, item, 0)
        return present

    def _make(self, deployment: Object, name: str, template_hash: str, replicas: int, revision: int) -> Object:
        spec = deployment["spec"]
        template = clone(spec["template"])
        labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH_LABEL: template_hash}
        template.setdefault("metadata", {})["labels"] = labels
        selector = clone(spec["selector"])
        selector.setdefault("matchLabels", {})[HASH_LABEL] = template_hash
        made = self.store.create(
            REPLICASETS,
            {
                "metadata": {
                    "name": name,
                    "namespace": deployment["metadata"]["namespace"],
                    "labels": dict(labels),
                    "annotations": {REVISION: str(revision), "deployment.kubernetes.io/desired-replicas": str(replicas)},
                    "ownerReferences": [owner_reference(deployment)],
                },
                "spec": {"replicas": replicas, "selector": selector, "template": template, "minReadySeconds": spec.get("minReadySeconds", 0)},
            },
        )
        self.record(deployment, "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {replicas}")
        self._note_revision(deployment, revision)
        return made

    def _note_revision(self, deployment: Object, revision: int) -> None:
        current = self.store.find(DEPLOYMENTS, deployment["metadata"]["namespace"], deployment["metadata"]["name"])
        if current is not None and current["metadata"]["uid"] == deployment["metadata"]["uid"]:
            current["metadata"].setdefault("annotations", {})[REVISION] = str(revision)
            self.store.update(DEPLOYMENTS, current)

    def _scale(self, deployment: Object, replica: Object, wanted: int, revision: int | None = None) -> Object:
        before = int(replica["spec"].get("replicas", 0))
        changed = clone(replica)
        changed["spec"]["replicas"] = wanted
        if revision is not None:
            changed["metadata"].setdefault("annotations", {})[REVISION] = str(revision)
            self._note_revision(deployment, revision)
        if before != wanted:
            way = "up" if wanted > before else "down"
            self.record(deployment, "ScalingReplicaSet", f"Scaled {way} replica set {replica['metadata']['name']} from {before} to {wanted}")
        return self.store.update(REPLICASETS, changed)

    def _forget(self, deployment: Object, old: list[Object]) -> None:
        """Empty ReplicaSets beyond the history limit."""
        limit = int(deployment["spec"].get("revisionHistoryLimit", 10))
        empty = sorted((item for item in old if not item["spec"].get("replicas") and not (item.get("status") or {}).get("replicas")), key=_revision)
        for item in empty[: max(0, len(empty) - limit)]:
            self.store.delete(REPLICASETS, item["metadata"]["namespace"], item["metadata"]["name"])

    def _status(self, deployment: Object, present: Object | None) -> None:
        # Read again: the revision may just have been written.
        meta = deployment["metadata"]
        current = self.store.find(DEPLOYMENTS, meta["namespace"], meta["name"])
        if current is None or current["metadata"]["uid"] != meta["uid"]:
            return
        sets = self._sets(deployment)
        total = {key: sum(int((item.get("status") or {}).get(key) or 0) for item in sets) for key in ("replicas", "readyReplicas", "availableReplicas")}
        wanted = int(current["spec"].get("replicas", 1))
        mine = self.store.find(REPLICASETS, meta["namespace"], present["metadata"]["name"]) if present is not None else None
        updated = int(((mine or {}).get("status") or {}).get("replicas") or 0)
        status: Object = {"observedGeneration": current["metadata"].get("generation", 1)}
        counts = {**total, "updatedReplicas": updated, "unavailableReplicas": max(0, max(wanted, total["replicas"]) - total["availableReplicas"])}
        status.update({key: value for key, value in counts.items() if value})
        done = updated == wanted == total["replicas"] == total["availableReplicas"]
        name = present["metadata"]["name"] if present is not None else meta["name"]
        limit = pods.count_of(((current["spec"].get("strategy") or {}).get("rollingUpdate") or {}).get("maxUnavailable", "25%"), wanted, up=False)
        enough = total["availableReplicas"] >= wanted - limit
        status["conditions"] = _conditions((current.get("status") or {}).get("conditions") or [], enough, done, name)
        if current.get("status") != status:
            self.store.update(DEPLOYMENTS, {**current, "status": status}, subresource="status")


def _conditions(old: list[Object], enough: bool, done: bool, name: str) -> list[Object]:
    """Available and Progressing, with the times of what did not change."""
    availability = f"Deployment {'has' if enough else 'does not have'} minimum availability."
    progress = f'ReplicaSet "{name}" has successfully progressed.' if done else f'ReplicaSet "{name}" is progressing.'
    wanted = [
        ("Available", enough, "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable", availability),
        ("Progressing", True, "NewReplicaSetAvailable" if done else "ReplicaSetUpdated", progress),
    ]
    before = {entry["type"]: entry for entry in old}
    result = []
    for kind, holds, reason, message in wanted:
        entry: Object = {"type": kind, "status": "True" if holds else "False", "reason": reason, "message": message}
        was = before.get(kind)
        same = was is not None and all(was.get(key) == value for key, value in entry.items())
        entry["lastUpdateTime"] = was["lastUpdateTime"] if was is not None and same else now()
        entry["lastTransitionTime"] = was["lastTransitionTime"] if was is not None and was["status"] == entry["status"] else now()
        result.append(entry)
    return result


def _revision(replica: Object) -> int:
    return int((replica["metadata"].get("annotations") or {}).get(REVISION, "0"))


async def run(store: Store, cluster: ClusterContext) -> None:
    """For ever. ReplicaSets first: a Deployment's look reads what they have counted."""
    sets, deployments = ReplicaSets(store), Deployments(store)

    def look() -> float | None:
        deployments.look()
        return sets.look()

    await loop.run("deployment", store, (DEPLOYMENTS, REPLICASETS, PODS), look)
