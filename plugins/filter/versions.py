# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils.versions import forced


def forced_by_versions(tools: Mapping[str, Any], node_image: str, calico: str = "") -> dict[str, Any]:
    """See DOCUMENTATION in forced_by_versions.yml."""
    return forced(tools, node_image, str(calico))


class FilterModule:
    """Filters over versions."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"forced_by_versions": forced_by_versions}
