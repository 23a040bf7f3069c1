"""A pod's status out of what its kubelet knows, as the API shows it. Pure.

Rules and texts follow the kubelet (v1.34): phase from container states, five conditions that keep their transition times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]


@dataclass
class Container:
    """What is known of one container. Exactly one of waiting, running_since, terminated describes its state.

    waiting: (reason, message). terminated, last: `terminated` objects of the API. run: number of the present or coming run.
    """

    name: str
    image: str = ""
    image_id: str = ""
    container_id: str = ""
    waiting: tuple[str, str] | None = ("ContainerCreating", "")
    running_since: str | None = None
    terminated: Object | None = None
    last: Object | None = None
    restarts: int = 0
    run: int = 0
    ready: bool = False
    started: bool = False
    backoff: float = 0.0  # seconds the next restart waits
    retry_at: float = 0.0  # wall clock of that restart

    def set_waiting(self, reason: str, message: str = "") -> None:
        self.waiting, self.running_since, self.terminated = (reason, message), None, None
        self.ready = self.started = False

    def set_running(self, since: str) -> None:
        self.waiting, self.running_since, self.terminated = None, since, None

    def set_terminated(self, how: Object) -> None:
        self.waiting, self.running_since, self.terminated = None, None, how
        self.ready = self.started = False

    @property
    def succeeded(self) -> bool:
        return self.terminated is not None and self.terminated["exitCode"] == 0

    def state(self) -> Object:
        if self.running_since is not None:
            return {"running": {"startedAt": self.running_since}}
        if self.terminated is not None:
            return {"terminated": dict(self.terminated)}
        reason, message = self.waiting or ("ContainerCreating", "")
        return {"waiting": {"message": message, "reason": reason} if message else {"reason": reason}}

    def as_json(self) -> Object:
        return dict(vars(self))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Container:
        known = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        if known.get("waiting") is not None:
            known["waiting"] = tuple(known["waiting"])
        return cls(**known)


@dataclass
class Runtime:
    """What is known of one pod on its node."""

    init: list[Container] = field(default_factory=list)
    main: list[Container] = field(default_factory=list)
    sandbox: bool = False  # namespaces and network exist
    pod_ip: str = ""
    host_ip: str = ""
    start_time: str = ""
    failed: tuple[str, str] | None = None  # (reason, message) of a pod that will never run


def phase(policy: str, runtime: Runtime) -> str:
    """Pending, Running, Succeeded or Failed. policy: restartPolicy."""
    if runtime.failed is not None:
        return "Failed"
    for container in runtime.init:
        if container.terminated is not None and not container.succeeded and policy == "Never":
            return "Failed"
    if not initialized(runtime):
        return "Pending"
    if any(container.waiting is not None and container.last is None for container in runtime.main):
        return "Pending"
    running = [container for container in runtime.main if container.running_since is not None]
    if running or policy == "Always":
        return "Running"
    if any(container.waiting is not None for container in runtime.main):
        return "Running"
    if all(container.succeeded for container in runtime.main):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def initialized(runtime: Runtime) -> bool:
    return all(container.succeeded for container in runtime.init)


def _condition(kind: str, holds: bool, reason: str, message: str, generation: int) -> Object:
    entry: Object = {"type": kind, "status": "True" if holds else "False", "lastProbeTime": None, "observedGeneration": generation}
    if not holds or reason == "PodCompleted":
        entry.update({key: value for key, value in (("reason", reason), ("message", message)) if value})
    return entry


def conditions(current: str, runtime: Runtime, generation: int) -> list[Object]:
    """The kubelet's four conditions, without transition times. current: the phase."""
    done = current == "Succeeded"
    unready = [container.name for container in runtime.main if not container.ready]
    pending = [container.name for container in runtime.init if not container.succeeded]
    reason = "PodCompleted" if done else "PodFailed" if current == "Failed" else "ContainersNotReady"
    text = "" if done or current == "Failed" else f"containers with unready status: [{' '.join(unready)}]"
    return [
        _condition("PodReadyToStartContainers", runtime.sandbox, "", "", generation),
        _condition(
            "Initialized",
            not pending or done,
            "PodCompleted" if done else "ContainersNotInitialized",
            "" if done else f"containers with incomplete status: [{' '.join(pending)}]",
            generation,
        ),
        _condition("Ready", not unready, reason, text, generation),
        _condition("ContainersReady", not unready, reason, text, generation),
    ]


def _with_times(new: Sequence[Object], old: Sequence[Object], stamp: str) -> list[Object]:
    """Keep the transition time of what did not change, and conditions that are not the kubelet's (PodScheduled)."""
    before = {entry["type"]: entry for entry in old}
    result = []
    for entry in new:
        was = before.pop(entry["type"], None)
        same = was is not None and was.get("status") == entry["status"]
        result.append({**entry, "lastTransitionTime": was["lastTransitionTime"] if was is not None and same and was.get("lastTransitionTime") else stamp})
    return [*result, *before.values()]


def _container_status(container: Container, spec: Mapping[str, Any] | None, *, init: bool) -> Object:
    entry: Object = {
        "name": container.name,
        "image": container.image,
        "imageID": container.image_id,
        "lastState": {"terminated": dict(container.last)} if container.last else {},
        "ready": container.ready or (init and container.succeeded),
        "resources": {},
        "restartCount": container.restarts,
        "started": container.started,
        "state": container.state(),
    }
    if container.container_id:
        entry["containerID"] = container.container_id
    shown = (spec or {}).get("volumeMounts") or []
    if shown:
        entry["volumeMounts"] = [
            {"mountPath": item["mountPath"], "name": item["name"], **({"readOnly": True, "recursiveReadOnly": "Disabled"} if item.get("readOnly") else {})}
            for item in shown
        ]
    return entry


def qos_class(pod: Mapping[str, Any]) -> str:
    """Guaranteed, Burstable or BestEffort, from the containers' resources."""
    spec = pod.get("spec") or {}
    seen, guaranteed = False, True
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        resources = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        seen = seen or bool(limits or requests)
        for kind in ("cpu", "memory"):
            guaranteed = guaranteed and kind in limits and requests.get(kind, limits[kind]) == limits[kind]
    return "BestEffort" if not seen else "Guaranteed" if guaranteed else "Burstable"


def compute(pod: Mapping[str, Any], runtime: Runtime, stamp: str) -> Object:
    """The whole status of a pod. stamp: the present, for transitions that happen now."""
    spec, old = pod.get("spec") or {}, pod.get("status") or {}
    generation = int(pod["metadata"].get("generation") or 1)
    current = phase(spec.get("restartPolicy") or "Always", runtime)
    status: Object = {
        "phase": current,
        "observedGeneration": generation,
        "conditions": _with_times(conditions(current, runtime, generation), old.get("conditions") or [], stamp),
        "qosClass": old.get("qosClass") or qos_class(pod),
        "startTime": runtime.start_time,
    }
    if runtime.failed is not None:
        status["reason"], status["message"] = runtime.failed
    if runtime.host_ip:
        status["hostIP"], status["hostIPs"] = runtime.host_ip, [{"ip": runtime.host_ip}]
    if runtime.pod_ip:
        status["podIP"], status["podIPs"] = runtime.pod_ip, [{"ip": runtime.pod_ip}]
    for key, containers, source in (("initContainerStatuses", runtime.init, "initContainers"), ("containerStatuses", runtime.main, "containers")):
        if containers:
            specs = {item["name"]: item for item in spec.get(source) or []}
            status[key] = [_container_status(entry, specs.get(entry.name), init=key.startswith("init")) for entry in containers]
    return status
