# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils.findings import fabric_findings, node_findings


class FilterModule:
    """Expectations of the intent held against what devices said; see fabric_findings.yml and node_findings.yml."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"fabric_findings": fabric_findings, "node_findings": node_findings}
