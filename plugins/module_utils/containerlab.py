"""What containerlab says and what follows from it: pure functions (containerlab 0.77 and later, as measured with 0.79)."""

from __future__ import annotations

import json
import re
from typing import Any

# The lists of a `deploy --dry-run -f json` plan that mean work (containerlab 0.77+, `deploy` as a reconcile).
PLAN_LISTS = (
    "added-nodes",
    "deleted-nodes",
    "recreated-nodes",
    "started-nodes",
    "added-links",
    "deleted-endpoints",
    "restarted-nodes",
)

HINTS = (
    (r"image-pull-policy=Never prevents", "load the image on the lab host first (docker load), or name another one in containerlab_images"),
    (r'Bridge "(?P<name>[^"]+)" referenced in topology but does not exist', "build the bridges first: --tags linux_bridges"),
    (r"is defined via topology but already exists", "a link of an earlier lab was left behind: delete it (ip link delete <name>) or run destroy.yml first"),
    (r"Duplicate endpoint", "two links of fabric.yml end on one interface"),
    (r"depends on external container", "build the cluster first: --tags kind_cluster"),
    (r"Containers \[.*\] already exist", "another lab holds these names: choose another lab_name or destroy that lab"),
    (r"container network namespace is not available", "a router's container is stopped: docker start it, then run again"),
    (r"Apply does not support nodes with", "set containerlab_server_mode: ext-container, or destroy and deploy anew"),
    (r"Cannot connect to the Docker daemon|permission denied.*docker", "start Docker on the lab host and run as root"),
)


def work_of(plan: dict[str, Any]) -> dict[str, list[Any]]:
    """The non-empty lists of a dry-run plan; a lab that is not deployed yet gives ``{"deployed-lab": [name]}``."""
    work: dict[str, list[Any]] = {key: plan[key] for key in PLAN_LISTS if plan.get(key)}
    if plan.get("deployed-lab"):
        work["deployed-lab"] = [plan.get("lab-name", "")]
    return work


def parse_json(text: str) -> Any:
    """The JSON document of a command's standard output; raises ValueError with the start of the text."""
    start = min((i for i in (text.find("{"), text.find("[")) if i >= 0), default=-1)
    if start < 0:
        raise ValueError(f"no JSON in containerlab's output: {text.strip()[:200]!r}")
    return json.loads(text[start:])


def containers_of(inspect: Any, lab: str) -> dict[str, dict[str, Any]]:
    """``inspect --all`` as a mapping from container name to its entry, for one lab ({} when it is not deployed)."""
    entries = inspect.get(lab, []) if isinstance(inspect, dict) else []
    return {entry["name"]: entry for entry in entries}


def hint_for(text: str) -> str:
    """What to do about an error text, or an empty string."""
    for pattern, hint in HINTS:
        if re.search(pattern, text):
            return hint
    return ""


def error_of(text: str) -> str:
    """The line of a log that says what is wrong (the last one at level ERRO, else the last one)."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\bERRO|Error:|\bFATA", line)]
    chosen = (errors or lines or ["no output"])[-1]
    return re.sub(r"^\d\d:\d\d:\d\d ", "", chosen)
