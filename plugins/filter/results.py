# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.leafspine.calico.plugins.module_utils import junit, lab_result

Data = dict[str, Any]


def to_junit(result: Data) -> str:
    """See DOCUMENTATION in to_junit.yml."""
    try:
        return junit.junit(result)
    except RuntimeError as error:
        raise AnsibleFilterError(f"to_junit: {error}") from error


class FilterModule:
    """Results as documents, for people and for other programs; each filter is documented in a file of its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "result_text": lab_result.console,
            "to_junit": to_junit,
            "verify_result": lab_result.verify_result,
        }
