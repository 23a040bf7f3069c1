"""A container's probes when their node has lost its network namespace: attempts fail, and who stops the probes goes on."""

from __future__ import annotations

import asyncio

import pytest
from leafspine_embedded.node.kubelet.probes import Prober, Target

SPEC = {"readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 0.01, "failureThreshold": 2}}


async def _run(command: list[str]) -> tuple[int, str]:
    return 0, ""


def probed(container: dict[str, object]) -> tuple[list[str], list[bool]]:
    """What a prober told until it had an answer about readiness, or its task had ended."""
    failed: list[str] = []
    ready: list[bool] = []

    async def main() -> None:
        told = asyncio.Event()

        def changed(kind: str, holds: bool) -> None:
            if kind == "readiness":
                ready.append(holds)
                told.set()

        target = Target("no-such-namespace", "192.0.2.1", {}, _run)
        prober = Prober(container, target, changed, lambda kind, text: failed.append(text), lambda kind, text: None)
        prober.start()
        async with asyncio.timeout(5):
            while not told.is_set() and not all(task.done() for task in prober._tasks):
                await asyncio.sleep(0.01)
            await prober.stop()

    asyncio.run(main())
    return failed, ready[:1]


def test_an_attempt_without_the_node_s_namespace_has_failed() -> None:
    failed, ready = probed(SPEC)
    assert ready == [False]
    assert failed[0] == 'network namespace "no-such-namespace" does not exist'


def test_a_probe_that_needs_no_network_holds() -> None:
    assert probed({"readinessProbe": {"exec": {"command": ["true"]}}}) == ([], [True])


def test_stopping_survives_a_probe_that_ended_with_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """Of a kind that nobody thought of."""
    assert probed({"readinessProbe": {"httpGet": {"port": object()}, "timeoutSeconds": "soon"}}) == ([], [])
    assert "a probe ended with an error" in caplog.text
