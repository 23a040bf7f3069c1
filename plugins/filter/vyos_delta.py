# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.leafspine.calico.plugins.module_utils.vyos_lines import applied, delta, masked


def vyos_delta(running: str, wanted: list[str], owned: list[str], kept: list[str] | None = None, mode: str = "exact") -> list[str]:
    """See DOCUMENTATION in vyos_delta.yml."""
    try:
        return delta(running, wanted, owned, kept or [], mode)
    except ValueError as error:
        raise AnsibleFilterError(f"vyos_delta: {error}") from error


class FilterModule:
    """Filters over VyOS configurations."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"vyos_delta": vyos_delta, "vyos_applied": applied, "vyos_masked": masked}
