# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report: one document of everything that is known about a lab, and the page that shows it.

The document's shape is ``report`` in ``playbooks/files/result.schema.json``; the page is ``playbooks/templates/report.html.j2`` over that
document and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils import drill_plot, lab_graph, lab_state_text
from ansible_collections.leafspine.calico.plugins.module_utils.lab_result import VERSION, Result

try:
    import jinja2
except ImportError:  # where Ansible itself runs it is there; module_utils have to load without it
    jinja2 = None  # type: ignore[assignment]

try:
    import jsonschema

    HAS_JSONSCHEMA = True
except ImportError:
    HAS_JSONSCHEMA = False

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "playbooks" / "files" / "result.schema.json"
TEMPLATES = ROOT / "playbooks" / "templates"


def report(fabric: Mapping[str, Any], run: Mapping[str, Any], state: Result | None, kept: Iterable[Result]) -> Result:
    """The document. ``run``: {engine, made (ISO 8601), versions {name: text}}. ``kept``: documents of verify and drills.

    Documents of another lab are left out. Raises ValueError for one that the schema refuses, with the place.
    """
    ours = [one for one in kept if not isinstance(one, dict) or one.get("lab") == fabric["lab_name"]]
    for one in ours:
        validate(one)
    found = {
        "version": VERSION,
        "kind": "report",
        "lab": fabric["lab_name"],
        "engine": run["engine"],
        "made": run["made"],
        "intent": dict(fabric),
        "state": state,
        "verify": next((one for one in ours if one["kind"] == "verify"), None),
        "drills": sorted((one for one in ours if one["kind"] == "drill"), key=lambda one: str(one["started"])),
        "versions": {name: str(text) for name, text in run["versions"].items() if text},
    }
    validate(found)
    return found


def validate(document: Any) -> None:
    """Raises ValueError when a document is not what the schema says, with the place and the reason."""
    if not HAS_JSONSCHEMA:
        raise ValueError("the Python package jsonschema is needed on the controller (requirements/controller.in)")
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    kind = document.get("kind") if isinstance(document, dict) else None
    if kind not in schema["properties"]["kind"]["enum"]:
        raise ValueError(f"a result of kind {kind!r}; known: {', '.join(schema['properties']['kind']['enum'])}")
    # The one kind that it says it is: what does not fit is told better than by "none of three".
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": schema["$defs"]}).iter_errors(document))
    if error is not None:
        raise ValueError(f"{kind} result, {error.json_path}: {error.message[:300]}")


# --- versions ------------------------------------------------------------------------------------------------------------


def versions(objects: Mapping[str, list[Result]] | None, router: Iterable[str], controller: Mapping[str, str]) -> dict[str, str]:
    """What runs, by name. ``router``: outputs of "show version" and FRR's on one router; ``controller``: what Ansible knows of itself."""
    found = {"leafspine.calico": collection_version(), **controller}
    for node in (objects or {}).get("nodes", [])[:1]:
        info = (node.get("status") or {}).get("nodeInfo") or {}
        found |= {"kernel": info.get("kernelVersion", ""), "system": info.get("osImage", ""), "Kubernetes": info.get("kubeletVersion", "")}
        found["container runtime"] = info.get("containerRuntimeVersion", "")
    for pod in (objects or {}).get("pods", []):
        for container in pod["spec"].get("containers", []):
            found[f"image of {container['name']}"] = container.get("image", "")
    for text in router:
        for pattern, name in ((r"(?m)^Version:\s+(.+?)\s*$", "router"), (r"FRRouting (\S+)", "FRR")):
            match = re.search(pattern, text)
            if match:
                found.setdefault(name, match[1])
    return {name: text for name, text in found.items() if text}


def collection_version() -> str:
    """The collection's own, installed or in a checkout."""
    manifest = ROOT / "MANIFEST.json"
    if manifest.exists():
        return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
    match = re.search(r"(?m)^version: (\S+)$", (ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    return match[1] if match else ""


# --- the page ------------------------------------------------------------------------------------------------------------


def page(document: Result) -> str:
    """The HTML file. Raises RuntimeError when a package that draws is missing."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"duration": lab_state_text.duration, "flow_label": drill_plot.label}
    graph = lab_graph.svg(lab_graph.dot(document["intent"], document["state"]), alone=False)
    plots = [drill_plot.svg(drill) for drill in document["drills"]]
    return environment.get_template("report.html.j2").render(
        report=document, graph=graph, plots=plots, verdict=verdict(document), differences=differences(document), flows=flow_rows(document)
    )


def verdict(document: Result) -> Result:
    """What a reader wants to know first: {word: healthy | trouble | unknown, lines: [what is wrong]}."""
    lines = [f"{one['where']}: {one['what']}" for one in (document["state"] or {}).get("troubles", [])]
    verify = document["verify"]
    if verify and verify["outcome"] == "failed":
        lines.append(f"verify: {verify['failed']} of {verify['passed'] + verify['failed']} expectations do not hold")
    lines += [f"drill {drill['name']}, run {drill.get('run', 1)}: {missed(drill)}" for drill in document["drills"] if not drill["holds"]]
    known = document["state"] or verify or document["drills"]
    return {"word": "trouble" if lines else "healthy" if known else "unknown", "lines": lines}


def missed(drill: Result) -> str:
    """How a drill failed, in a line."""
    false = [one for one in drill["expectations"] if not one["holds"]]
    return f"{len(false)} of {len(drill['expectations'])} expectations do not hold" if false else "nothing was expected"


def differences(document: Result) -> list[Result]:
    """By router the lines in which running and intended configuration differ: {router, lines: [{sign, text}]}."""
    found = []
    for router, lines in ((document["state"] or {}).get("drift") or {}).items():
        # "set" is what is missing on the router, "delete" what stands there and nobody intends.
        told = [{"sign": "-" if line.startswith("set ") else "+", "text": line.partition(" ")[2]} for line in lines]
        found.append({"router": router, "lines": told})
    return found


_FLOW = re.compile(r"flow (?P<source>\S+):(?P<port>\d+) to (?P<target>\S+): (?P<way>requests|replies) \w+ by")


def flow_rows(document: Result) -> list[Result]:
    """Flows that verify captured between two racks: {source, port, target, requests, replies}, each of the last two {expected, found, ok}."""
    rows: dict[tuple[str, str, str, str], Result] = {}
    for one in (document["verify"] or {}).get("checks", []):
        match = _FLOW.fullmatch(one["what"]) if one["subject"] == "flow" else None
        if match:
            key = (one["step"], match["source"], match["port"], match["target"])
            row = rows.setdefault(key, {"step": one["step"], "where": one["where"], **match.groupdict(), "requests": None, "replies": None})
            row[match["way"]] = {name: one[name] for name in ("expected", "found", "ok")}
    return [rows[key] for key in sorted(rows)]
