"""A healthy lab as verify.yml saw it (data/observed.json: the reference lab's shape, other numbers), to be broken by tests one thing at a time."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils import checks, lab_checks, outside, router_checks
from ansible_collections.leafspine.calico.plugins.module_utils.intent import from_document

DATA = Path(__file__).parent / "data" / "observed.json"
Lab = dict[str, Any]


@cache
def _recorded() -> str:
    return DATA.read_text()


def healthy() -> Lab:
    """{document, fabric, cluster, traffic, after, routers, probes}; routers' JSON answers are parsed under ``tables``."""
    lab: Lab = json.loads(_recorded())
    fabric, problems = from_document(copy.deepcopy(lab["document"]))
    assert fabric is not None, problems
    lab["fabric"] = fabric
    lab["tables"] = {
        name: {what: _parsed(what, text) for what, text in zip(router_checks.LOOK, outputs, strict=True)} for name, outputs in lab.pop("routers").items()
    }
    lab["drift"] = {name: [] for name in lab["tables"]}
    return lab


def _parsed(what: str, text: str) -> Any:
    return text if what in ("filters", "configuration") else json.loads(text)


def observed(lab: Lab, part: str = "all", down: list[list[str]] | None = None, service: str | None = None) -> Lab:
    """What the filter lab_checks is given."""
    routers = {
        name: {"stdout": [answer if isinstance(answer, str) else json.dumps(answer) for answer in answers.values()]} for name, answers in lab["tables"].items()
    }
    return {
        "look": lab_checks.cluster_look(lab["cluster"], lab["fabric"], service=service, down=down or []),
        "checks": True,
        "traffic": lab["traffic"],
        "routers": routers,
        "drift": lab["drift"],
        "router_probes": {name: {"stdout": outputs} for name, outputs in lab["probes"].items()},
        "part": part,
        "conntrack": lab["after"],
        "down": down or [],
    }


def all_checks(lab: Lab) -> list[checks.Check]:
    """Every check about a lab."""
    return lab_checks.lab_checks(observed(lab), lab["fabric"])


def findings(change: Callable[[Lab], object] | None = None) -> list[str]:
    """What is said about the healthy lab after one change; the way to look is cut off."""
    lab = healthy()
    if change is not None:
        change(lab)
    return [line.split(" (look: ")[0] for line in checks.lines(all_checks(lab))]


def probe_names(lab: Lab, router: str) -> list[str]:
    """Names of the commands whose outputs are in lab["probes"][router]."""
    view = lab_checks.cluster_look(lab["cluster"], lab["fabric"])["view"]
    return list(outside.router_probes(next(one for one in lab["fabric"]["routers"] if one["name"] == router), lab["fabric"], view))
