# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils import checks, cluster_checks, cluster_view, lab_checks, outside, pod_traffic, router_checks
from ansible_collections.leafspine.calico.plugins.module_utils import push_gate as gate

Data = dict[str, Any]


def lab_objects(fabric: Data) -> dict[str, str]:
    """See DOCUMENTATION in lab_objects.yml."""
    return dict(cluster_view.PATHS)


def traffic_probes(view: Data, fabric: Data, seconds: int = 0, nodes: bool = True, flows_only: bool = False) -> list[Data]:
    """See DOCUMENTATION in traffic_probes.yml."""
    found = [] if flows_only else pod_traffic.pod_probes(fabric, view)
    return found + (outside.background(fabric, view, seconds, nodes, flows_only) if seconds else [])


def router_look(router: Data) -> list[str]:
    """See DOCUMENTATION in router_look.yml."""
    return list(router_checks.LOOK.values())


def router_commands(router: Data, fabric: Data, view: Data, part: str = "all") -> list[str]:
    """See DOCUMENTATION in router_commands.yml."""
    return list(outside.router_probes(router, fabric, view, part).values())


def judge_router(
    router: Data, fabric: Data, outputs: list[str], announced: Data | None = None, down: list[list[str]] | None = None, drift: list[str] | None = None
) -> list[Data]:
    """See DOCUMENTATION in router_checks.yml."""
    found = router_checks.router_checks(router, fabric, outputs, announced, down or [], drift)
    return found + router_checks.lone_table_checks(router, fabric, outputs, announced, down or [])


def push_gate(
    router: Data, lines: list[str], before: str, after: str, ready: list[str] | None = None, pushes: list[tuple[list[str], str]] | None = None
) -> list[Data]:
    """See DOCUMENTATION in push_gate.yml."""
    return gate.gate(router, lines, before, after, ready or [], pushes or [])


def after_traffic(view: Data, fabric: Data, nodes: bool = True) -> list[Data]:
    """See DOCUMENTATION in after_traffic.yml."""
    return outside.stop_background(fabric, view, nodes) + (outside.conntrack_probes(fabric) if nodes else [])


def node_findings(servers: list[Data], nodes: list[Data]) -> list[str]:
    """See DOCUMENTATION in node_findings.yml."""
    return checks.lines(cluster_checks.node_object_checks(servers, nodes, calico=False))


class FilterModule:
    """What to look at and how to judge it; each filter is documented in a file of its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "cluster_look": lab_checks.cluster_look,
            "lab_objects": lab_objects,
            "node_findings": node_findings,
            "node_look": lab_checks.node_look,
            "traffic_probes": traffic_probes,
            "router_look": router_look,
            "router_commands": router_commands,
            "router_checks": judge_router,
            "push_gate": push_gate,
            "after_traffic": after_traffic,
            "lab_checks": lab_checks.lab_checks,
            "failed_lines": checks.lines,
            "check_summary": checks.summary,
        }
