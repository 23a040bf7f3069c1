# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.leafspine.calico.plugins.module_utils import junit, lab_result, lab_state

Data = dict[str, Any]


def verify_told(checks: list[Data], fabric: Data, run: Data, kept: str = "") -> Data:
    """See DOCUMENTATION in verify_told.yml. One filter for all of it: Ansible takes long to hand 400 checks over."""
    result = lab_result.verify_result(checks, fabric, run)
    try:
        files = {"verify.json": json.dumps(result, indent=1), "verify.xml": junit.junit(result)}
    except RuntimeError as error:
        raise AnsibleFilterError(f"verify_told: {error}") from error
    return {"outcome": result["outcome"], "text": lab_result.console(result, kept), "files": files}


def state(fabric: Data, routers: Data, seen: Data, drift: Data | None = None) -> Data:
    """See DOCUMENTATION in lab_state.yml."""
    outputs = {name: result["stdout"] for name, result in routers.items() if result.get("stdout")}
    return lab_state.state(fabric, outputs, seen.get("objects") or None, {name: lines for name, lines in (drift or {}).items() if name in outputs})


def report(fabric: Data, run: Data, state: Data | None, kept: list[Data]) -> Data:
    """See DOCUMENTATION in lab_report.yml."""
    # Not at the top: each task that uses any filter of the collection loads this file, and what the page is made with takes its time.
    from ansible_collections.leafspine.calico.plugins.module_utils import lab_report

    try:
        document = lab_report.report(fabric, run, state, kept)
        return {"report.json": json.dumps(document, indent=1), "report.html": lab_report.page(document)}
    except (ValueError, RuntimeError) as error:
        raise AnsibleFilterError(f"lab_report: {error}") from error


def versions(seen: Data, router: list[str], controller: Data) -> Data:
    """See DOCUMENTATION in lab_versions.yml."""
    from ansible_collections.leafspine.calico.plugins.module_utils import lab_report

    return lab_report.versions(seen.get("objects") or None, router, controller)


def texts(routers: Data, commands: list[str], seen: Data) -> Data:
    """See DOCUMENTATION in collect_texts.yml."""
    found: Data = {}
    for name, result in routers.items():
        answers = result.get("stdout") or []
        found |= {f"{name}/{command.replace('/', ' ')}": answer for command, answer in zip(commands, answers, strict=False)}
        if len(answers) != len(commands):
            found[f"{name}/NO ANSWER"] = str(result.get("msg") or "not reachable")
    for name, answer in (seen.get("answers") or {}).items():
        found[name] = "\n".join(str(answer[part]) for part in ("stdout", "stderr") if answer.get(part))
    for name, items in (seen.get("objects") or {}).items():
        found[f"api/{name}.json"] = json.dumps(items, indent=1)
    return found


class FilterModule:
    """Results as documents, for people and for other programs; each filter is documented in a file of its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "collect_texts": texts,
            "lab_report": report,
            "lab_state": state,
            "lab_versions": versions,
            "verify_told": verify_told,
        }
