"""Pod status from container states."""

from __future__ import annotations

from typing import Any

import pytest
from leafspine_embedded.node.kubelet.status import Container, Runtime, compute, phase, qos_class

POD: dict[str, Any] = {"metadata": {"generation": 1}, "spec": {"containers": [{"name": "a"}, {"name": "b"}]}, "status": {}}


def ended(code: int) -> dict[str, Any]:
    return {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:01Z"}


def container(state: str, *, last: int | None = None, ready: bool = False) -> Container:
    made = Container("c", ready=ready, last=None if last is None else ended(last))
    if state == "running":
        made.set_running("2026-01-01T00:00:00Z")
        made.ready = ready
    elif state != "waiting":
        made.set_terminated(ended(int(state)))
    return made


@pytest.mark.parametrize(
    ("policy", "states", "expected"),
    [
        ("Always", ["waiting", "running"], "Pending"),
        ("Always", ["running", "running"], "Running"),
        ("Always", ["0", "1"], "Running"),
        ("OnFailure", ["0", "0"], "Succeeded"),
        ("OnFailure", ["0", "1"], "Running"),
        ("Never", ["0", "1"], "Failed"),
        ("Never", ["0", "0"], "Succeeded"),
        ("Never", ["0", "running"], "Running"),
    ],
)
def test_phase(policy: str, states: list[str], expected: str) -> None:
    assert phase(policy, Runtime(main=[container(state) for state in states])) == expected


def test_a_container_in_back_off_keeps_the_pod_running() -> None:
    assert phase("Always", Runtime(main=[container("waiting", last=1)])) == "Running"


@pytest.mark.parametrize(("policy", "code", "expected"), [("Never", "1", "Failed"), ("Always", "1", "Pending"), ("Always", "0", "Pending")])
def test_init_containers_hold_the_phase(policy: str, code: str, expected: str) -> None:
    assert phase(policy, Runtime(init=[container(code)], main=[container("waiting")])) == expected


def status(runtime: Runtime, old: dict[str, Any] | None = None, stamp: str = "2026-01-01T00:00:09Z") -> dict[str, Any]:
    return compute({**POD, "status": old or {}}, runtime, stamp)


def condition(found: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(entry for entry in found["conditions"] if entry["type"] == kind)


def test_ready_needs_every_container() -> None:
    both = Runtime(main=[container("running", ready=True), container("running", ready=True)], sandbox=True)
    assert condition(status(both), "Ready")["status"] == "True" and "reason" not in condition(status(both), "Ready")
    one = Runtime(main=[container("running", ready=True), container("running")], sandbox=True)
    assert condition(status(one), "Ready")["reason"] == "ContainersNotReady"
    assert condition(status(one), "ContainersReady")["message"] == "containers with unready status: [c]"


def test_transition_times_move_only_with_the_status() -> None:
    runtime = Runtime(main=[container("running", ready=True)], sandbox=True)
    first = status(runtime)
    again = status(runtime, first, "2026-01-01T00:01:00Z")
    assert again["conditions"] == first["conditions"]
    runtime.main[0].ready = False
    later = status(runtime, again, "2026-01-01T00:02:00Z")
    assert condition(later, "Ready")["lastTransitionTime"] == "2026-01-01T00:02:00Z"
    assert condition(later, "Initialized")["lastTransitionTime"] == "2026-01-01T00:00:09Z"


def test_foreign_conditions_stay() -> None:
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    assert status(Runtime(main=[container("running")]), {"conditions": [scheduled]})["conditions"][-1] == scheduled


def test_a_finished_pod_says_so() -> None:
    found = compute({**POD, "spec": {"restartPolicy": "Never", "containers": []}}, Runtime(main=[container("0")]), "2026-01-01T00:00:09Z")
    assert (found["phase"], condition(found, "Ready")["reason"], condition(found, "Initialized")["status"]) == ("Succeeded", "PodCompleted", "True")


def test_container_state_survives_being_written_down() -> None:
    for made in (container("running"), container("3"), container("waiting", last=2)):
        assert Container.from_json({**made.as_json(), "unknown": 1}) == made


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1"}}, "Burstable"),
    ],
)
def test_qos_class(resources: dict[str, Any], expected: str) -> None:
    assert qos_class({"spec": {"containers": [{"name": "a", "resources": resources}]}}) == expected
