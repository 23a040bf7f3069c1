"""The STATUS, READY and RESTARTS cells of a pod (printPod in k8s.io/kubernetes/pkg/printers/internalversion)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from leafspine_embedded.kube.objects import Object


def pod_cells(obj: Object, age: str, since: Callable[[str | None], str]) -> list[Any]:
    """Name, ready, status, restarts, age, IP, node, nominated node, readiness gates."""
    spec, status = obj["spec"], obj.get("status", {})
    containers = status.get("containerStatuses", [])
    restarts = sum(entry.get("restartCount", 0) for entry in containers)
    finished = [entry["lastState"]["terminated"].get("finishedAt") for entry in containers if "terminated" in entry.get("lastState", {})]
    last = max((moment for moment in finished if moment), default=None)
    shown = f"{restarts} ({since(last)} ago)" if restarts and last else str(restarts)
    ready = sum(bool(entry.get("ready")) and "running" in entry.get("state", {}) for entry in containers)
    gates = spec.get("readinessGates", [])
    fulfilled = sum(any(entry["type"] == gate.get("conditionType") and entry["status"] == "True" for entry in status.get("conditions", [])) for gate in gates)
    return [
        obj["metadata"]["name"], f"{ready}/{len(spec.get('containers', []))}", reason(obj), shown, age, status.get("podIP") or "<none>",
        spec.get("nodeName") or "<none>", status.get("nominatedNodeName") or "<none>", f"{fulfilled}/{len(gates)}" if gates else "<none>",
    ]  # fmt: skip


def reason(obj: Object) -> str:
    """One word for the state a pod is in."""
    status = obj.get("status", {})
    text = str(status.get("reason") or status.get("phase", ""))
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            text = "SchedulingGated"
    text = _init_reason(obj) or _container_reason(status, text)
    if "deletionTimestamp" in obj["metadata"]:
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return text


def _init_reason(obj: Object) -> str | None:
    total = len(obj["spec"].get("initContainers", []))
    for index, entry in enumerate(obj.get("status", {}).get("initContainerStatuses", [])):
        state = entry.get("state", {})
        ended = state.get("terminated")
        if ended is not None and ended.get("exitCode") == 0:
            continue
        if ended is not None:
            return f"Init:{_ended(ended)}"
        waiting = state.get("waiting", {}).get("reason")
        if waiting and waiting != "PodInitializing":
            return f"Init:{waiting}"
        return f"Init:{index}/{total}"
    return None


def _ended(state: Object) -> str:
    if state.get("reason"):
        return str(state["reason"])
    return f"Signal:{state['signal']}" if state.get("signal") else f"ExitCode:{state.get('exitCode', 0)}"


def _container_reason(status: Object, text: str) -> str:
    running = False
    for entry in reversed(status.get("containerStatuses", [])):
        state = entry.get("state", {})
        if state.get("waiting", {}).get("reason"):
            text = state["waiting"]["reason"]
        elif "terminated" in state:
            text = _ended(state["terminated"])
        elif entry.get("ready") and "running" in state:
            running = True
    if text == "Completed" and running:
        ready = any(entry["type"] == "Ready" and entry["status"] == "True" for entry in status.get("conditions", []))
        return "Running" if ready else "NotReady"
    return text
