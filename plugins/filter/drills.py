# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.leafspine.calico.plugins.module_utils import drill_expect, drill_flows, drill_result, vyos_lines
from ansible_collections.leafspine.calico.plugins.module_utils.checks import no_answer
from ansible_collections.leafspine.calico.plugins.module_utils.lab_checks import outputs

Data = dict[str, Any]


def drill_ways(router: Data, fabric: Data, view: Data) -> list[str]:
    """See DOCUMENTATION in drill_ways.yml."""
    try:
        return drill_flows.way_commands(router, fabric, *drill_flows.ends(fabric, view))
    except ValueError as error:
        raise AnsibleFilterError(f"drill_ways: {error}") from error


def choose(fabric: Data, view: Data, answers: Mapping[str, Data]) -> Data:
    """See DOCUMENTATION in drill_flows.yml."""
    try:
        near, far = drill_flows.ends(fabric, view)
        return {"near": near, "far": far, "flows": drill_flows.choose(fabric, near, far, {name: outputs(result) for name, result in answers.items()})}
    except ValueError as error:
        raise AnsibleFilterError(f"drill_flows: {error}") from error


def drill_probes(chosen: Data, interval_ms: float | None = None, seconds: int = 0) -> list[Data]:
    """See DOCUMENTATION in drill_probes.yml."""
    if interval_ms is None:
        return drill_flows.collect(chosen["near"], chosen["far"])
    return drill_flows.start(chosen["near"], chosen["far"], chosen["flows"], float(interval_ms), int(seconds))


def drill_drop_rule(chosen: Data, amount: int) -> str:
    """See DOCUMENTATION in drill_drop_rule.yml."""
    return drill_expect.drop_rule(chosen["flows"], int(amount))


def drill_measured(chosen: Data, answers: Data, name: str, steps: list[Data]) -> Data:
    """See DOCUMENTATION in drill_measured.yml."""
    try:
        found = drill_flows.results(chosen["near"], chosen["far"], chosen["flows"], answers)
    except ValueError as error:
        return {"flows": [], "checks": [no_answer(f"drill {name}", "the probes' results", error)]}
    return {"flows": found, "checks": drill_result.bound_checks(name, steps, found)}


def drill_restore(running: str, before: str) -> list[str]:
    """See DOCUMENTATION in drill_restore.yml."""
    wanted = [line.strip() for line in before.splitlines() if line.strip().startswith("set ")]
    if not wanted:
        raise AnsibleFilterError("drill_restore: there is no configuration to go back to")
    return vyos_lines.delta(running, wanted, ["*"], [], "exact")


class FilterModule:
    """Drills: what to run, and what came of it; each filter is documented in a file of its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "drill_checks": drill_expect.step_checks,
            "drill_drop_rule": drill_drop_rule,
            "drill_flows": choose,
            "drill_measured": drill_measured,
            "drill_picture": drill_expect.picture,
            "drill_picture_checks": drill_expect.picture_checks,
            "drill_probes": drill_probes,
            "drill_reorder": drill_expect.reorder,
            "drill_restore": drill_restore,
            "drill_result": drill_result.document,
            "drill_ways": drill_ways,
        }
