# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a verification found, as one document, and how it is told on a console. Pure functions.

The document's shape is ``playbooks/files/result.schema.json``, kind "verify". JUnit's XML is made from it by module_utils/junit.py.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils.checks import Check, summary
from ansible_collections.leafspine.calico.plugins.module_utils.masking import mask

Result = dict[str, Any]

VERSION = 1
# How many false expectations of one subject are told before "and N more": a dead leaf makes hundreds.
MOST_TOLD = 8
_SPECIAL = r"[^\w ./:=,@+-]"  # what a shell may understand as its own


def verify_result(checks: Iterable[Check], fabric: Mapping[str, Any], run: Mapping[str, Any]) -> Result:
    """The document of a verification.

    ``run``: {engine, started, finished (ISO 8601), routers: [name] that were looked at}. Secrets are masked. A run without a single
    check has failed: nothing was shown.
    """
    found = list(checks)
    told = summary(found)
    routers = {router["name"] for router in fabric["routers"]}
    return {
        "version": VERSION,
        "kind": "verify",
        "lab": fabric["lab_name"],
        "engine": run["engine"],
        "started": run["started"],
        "finished": run["finished"],
        "seconds": seconds_between(run["started"], run["finished"]),
        "routers": sorted(run["routers"]),
        "complete": routers <= set(run["routers"]),
        "outcome": "passed" if found and not told["failed"] else "failed",
        "passed": told["passed"],
        "failed": told["failed"],
        "subjects": {subject: {"passed": passed, "failed": failed} for subject, (passed, failed) in told["subjects"].items()},
        "checks": [_entry(one, fabric) for one in sorted(found, key=lambda one: bool(one["ok"]))],
    }


def seconds_between(started: str, finished: str) -> float:
    """Seconds between two times in ISO 8601."""
    return round((datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds(), 3)


def _entry(one: Check, fabric: Mapping[str, Any]) -> Result:
    step, _colon, where = one["where"].rpartition(": ")
    texts = {key: mask(one[key]) for key in ("what", "expected", "found")}
    return {"subject": one["subject"], "step": step, "where": where, **texts, "command": mask(command(one["look"], where, fabric)), "ok": bool(one["ok"])}


def command(look: str, where: str, fabric: Mapping[str, Any]) -> str:
    """A check's ``look`` as a line for a shell in the project's folder; what needs several hands stays as it is."""
    if look.startswith(("kubectl ", "calicoctl ")):
        return f"./lab {look}"
    routers = {router["name"] for router in fabric["routers"]}
    nodes = {server[key] for server in fabric["servers"] for key in ("name", "node")}
    match = re.fullmatch(r"on (\S+): (.+)", look, re.DOTALL)
    device, line = (match[1], match[2]) if match else (where, look)
    if device not in routers | nodes or line.startswith("sudo "):
        return look
    if line == f"ssh {device}":
        return f"./lab shell {device}"
    # A router's line is typed into its CLI as a whole, pipes and quotes too.
    return f"./lab shell {device} {line if device in nodes or not re.search(_SPECIAL, line) else shlex.quote(line)}"


# --- on a console --------------------------------------------------------------------------------------------------------


def console(result: Result, kept: str = "") -> str:
    """A verification for people: first what is false, each with expected, found and the command to look with; then what holds.

    ``kept``: folder of the files that hold all of it.
    """
    total = result["passed"] + result["failed"]
    if result["outcome"] == "passed":
        return f"{total} of {total} expectations hold: {_holding(result)}"
    if not total:
        return "nothing was looked at: no expectation was judged"
    false = [one for one in result["checks"] if not one["ok"]]
    lines = [f"{len(false)} of {total} expectations do not hold"]
    for subject in dict.fromkeys(one["subject"] for one in false):
        ours = list({(one["step"], one["where"], one["what"], one["found"]): one for one in false if one["subject"] == subject}.values())
        lines += ["", f"{subject}: {len(ours)} false"]
        for one in ours[:MOST_TOLD]:
            place = f"{one['step']}: {one['where']}" if one["step"] else one["where"]
            lines += [f"  {place}: {one['what']}"]
            lines += [f"    {title:<9}{one[key]}" for title, key in (("expected", "expected"), ("found", "found"), ("look", "command"))]
        if len(ours) > MOST_TOLD:
            lines.append(f"  and {len(ours) - MOST_TOLD} more")
    lines += ["", f"what holds: {_holding(result) or 'nothing'}"]
    return "\n".join([*lines, *([f"all of it: {kept}/verify.json, verify.xml (JUnit)"] if kept else [])])


def _holding(result: Result) -> str:
    return ", ".join(f"{subject} {count['passed']}" for subject, count in result["subjects"].items() if count["passed"])
