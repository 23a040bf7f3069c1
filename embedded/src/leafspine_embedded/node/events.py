"""Kubernetes events, as `kubectl get events` and `kubectl describe` show them."""

from __future__ import annotations

import logging
import time
from typing import Any

from leafspine_embedded.kube.errors import ApiError
from leafspine_embedded.kube.objects import Object, now, parse_time
from leafspine_embedded.kube.resources import EVENTS
from leafspine_embedded.kube.store import Store

log = logging.getLogger(__name__)

LIFETIME = 3600  # seconds an event is kept, the API server's default


class Recorder:
    """Writes the events of one component; a repeated one raises its count instead of adding an object."""

    def __init__(self, store: Store, component: str, host: str = "") -> None:
        self._store = store
        self._source: dict[str, str] = {"component": component, **({"host": host} if host else {})}
        self._seen: dict[tuple[str, str, str], tuple[str, str]] = {}

    def __call__(self, about: Object, reason: str, message: str, *, kind: str = "Normal", field_path: str = "") -> None:
        """One event about an object. field_path: `spec.containers{app}` for a container. Never raises: an event is a comment."""
        meta = about["metadata"]
        namespace = meta.get("namespace") or "default"
        key = (meta["uid"], reason, field_path + message)
        try:
            if key in self._seen and self._repeat(*self._seen[key]):
                return
            event = self._new(about, reason, message, kind, field_path)
            stored = self._store.create(EVENTS, event)
        except ApiError as error:
            log.debug("event %s about %s not stored: %s", reason, meta["name"], error)
            return
        if len(self._seen) > 500:
            self._seen.clear()
        self._seen[key] = (namespace, stored["metadata"]["name"])

    def _repeat(self, namespace: str, name: str) -> bool:
        event = self._store.find(EVENTS, namespace, name)
        if event is None:
            return False
        event["count"] = int(event.get("count") or 1) + 1
        event["lastTimestamp"] = now()
        self._store.update(EVENTS, event)
        return True

    def _new(self, about: Object, reason: str, message: str, kind: str, field_path: str) -> dict[str, Any]:
        meta = about["metadata"]
        stamp = now()
        involved = {
            "apiVersion": about.get("apiVersion") or "v1",
            "kind": about["kind"],
            "name": meta["name"],
            "resourceVersion": meta.get("resourceVersion", ""),
            "uid": meta["uid"],
            **({"namespace": meta["namespace"]} if meta.get("namespace") else {}),
            **({"fieldPath": field_path} if field_path else {}),
        }
        return {
            # Named by time, as the real recorder does: lists are in name order, so events of one second keep theirs.
            "metadata": {"name": f"{meta['name']}.{time.time_ns():x}", "namespace": meta.get("namespace") or "default"},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "type": kind,
            "source": dict(self._source),
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source.get("host", ""),
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "eventTime": None,
            "count": 1,
        }


def expire(store: Store) -> int:
    """Delete events older than LIFETIME; returns how many."""
    present = parse_time(now())
    old = [
        event
        for event in store.scan(EVENTS)
        if (present - parse_time(event.get("lastTimestamp") or event["metadata"]["creationTimestamp"])).total_seconds() > LIFETIME
    ]
    for event in old:
        store.delete(EVENTS, event["metadata"]["namespace"], event["metadata"]["name"])
    return len(old)
