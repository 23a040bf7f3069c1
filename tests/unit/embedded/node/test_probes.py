"""A container's probes when their node has lost its network namespace: attempts fail, and who stops the probes goes on."""

from __future__ import annotations

import asyncio

from leafspine_embedded.node.kubelet.probes import Prober, Target

SPEC = {"readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 0.01, "failureThreshold": 2}}


async def _run(command: list[str]) -> tuple[int, str]:
    return 0, ""


def probed(container: dict[str, object], wait_for: str) -> tuple[list[str], list[tuple[str, bool]]]:
    """What a prober told until something of the kind `wait_for` came."""
    failed: list[str] = []
    changed: list[tuple[str, bool]] = []

    async def main() -> None:
        event = asyncio.Event()

        def on_changed(kind: str, holds: bool) -> None:
            changed.append((kind, holds))
            if wait_for == "changed":
                event.set()

        prober = Prober(
            container, Target("no-such-namespace", "192.0.2.1", {}, _run), on_changed, lambda kind, text: failed.append(text), lambda kind, text: None
        )
        prober.start()
        async with asyncio.timeout(5):
            if wait_for:
                await event.wait()
            await prober.stop()

    asyncio.run(main())
    return failed, changed


def test_an_attempt_without_the_node_s_namespace_has_failed() -> None:
    failed, changed = probed(SPEC, "changed")
    assert changed == [("readiness", False)]
    assert failed[0] == 'network namespace "no-such-namespace" does not exist'


def test_a_probe_that_needs_no_network_holds() -> None:
    failed, changed = probed({"readinessProbe": {"exec": {"command": ["true"]}}}, "changed")
    assert (failed, changed) == ([], [("readiness", True)])


def test_stopping_survives_a_probe_that_ended_with_an_error() -> None:
    """Of a kind that nobody thought of."""
    probed({"readinessProbe": {"httpGet": None}}, "")
