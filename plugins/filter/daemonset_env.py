# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.leafspine.calico.plugins.module_utils.manifests import with_daemonset_env


def daemonset_env(documents: Iterable[Any], name: str, env: dict[str, str]) -> list[dict[str, Any]]:
    """See DOCUMENTATION in daemonset_env.yml."""
    try:
        return with_daemonset_env(list(documents), name, env)
    except (ValueError, KeyError, IndexError) as error:
        raise AnsibleFilterError(f"daemonset_env: {error}") from error


class FilterModule:
    """Filters over manifests."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"daemonset_env": daemonset_env}
