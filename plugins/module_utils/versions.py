"""Versions of the tools, and what they force: the one place that knows which version wants what. Pure functions.

Sources: kind.sigs.k8s.io (a kubeadm v1beta4 configuration from Kubernetes 1.36 on), kubernetes.io ("Well-Known Labels, Annotations and Taints"),
containerlab.dev (release notes of 0.77: ``deploy`` reconciles), and what was measured with kind 0.33, containerlab 0.79 and calicoctl 3.31.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Words that make a tool say its version. docker is asked for its daemon too: the command alone makes no container.
VERSION_WORDS = {
    "kind": ["version"],
    "containerlab": ["version"],
    "calicoctl": ["version", "--client"],
    "kubectl": ["version", "--client"],
    "docker": ["version"],
}
_VERSION = re.compile(r"\bv?(\d+\.\d+(?:\.\d+)?)(?![\d.])")
_CONDITION = re.compile(r"(>=|<=|==|<|>)\s*v?(\d+(?:\.\d+)*)")
MASTER, CONTROL_PLANE = "node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane"


def version_in(text: str) -> str | None:
    """The first version number in what a tool prints (``kind v0.33.0 go1.25 linux/amd64``: ``0.33.0``), or None."""
    found = re.search(r"\bversion:?\s+v?(\d+\.\d+(?:\.\d+)?)", text, re.IGNORECASE) or _VERSION.search(text)
    return found[1] if found else None


def as_tuple(version: str) -> tuple[int, ...]:
    """``1.34.4`` as (1, 34, 4), at least three numbers long, so that 0.77 and 0.77.0 are equal."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version))
    return numbers + (0,) * (3 - len(numbers))


def satisfies(version: str, supported: str) -> bool:
    """Whether a version fulfils all conditions of a range such as ``>=0.77,<1.0``; an empty range allows everything.

    Raises: ValueError for a range that is none.
    """
    for condition in (part.strip() for part in supported.split(",") if part.strip()):
        match = _CONDITION.fullmatch(condition)
        if match is None:
            raise ValueError(f"{condition!r} is no condition on a version; allowed: >=, <=, ==, < or > and a number, joined by commas")
        found, limit = as_tuple(version), as_tuple(match[2])
        holds = {">=": found >= limit, "<=": found <= limit, "==": found == limit, "<": found < limit, ">": found > limit}[match[1]]
        if not holds:
            return False
    return True


def tag_version(image: str) -> str | None:
    """The version in an image's tag: ``kindest/node:v1.34.4@sha256:...`` gives ``1.34.4``; None when the tag is no version."""
    name = image.split("@")[0].rpartition("/")[2]
    found = re.fullmatch(r"v?(\d+\.\d+(?:\.\d+)?).*", name.partition(":")[2])
    return found[1] if found else None


def forced(tools: Mapping[str, Any], node_image: str, calico: str = "") -> dict[str, Any]:
    """What the versions in use force.

    ``tools``: as found on the lab host, ``{name: {version}}``. ``node_image``: the cluster's node image, whose tag is the Kubernetes version
    (one without a version counts as current). ``calico``: version of Calico's manifest, empty when it is not known.

    control_plane_taints: the taints that keep pods off the control plane, ``{key, effect}`` (``master`` before 1.24, both in 1.24).
    kubelet_args_form: ``map`` or, from Kubernetes 1.36 on, ``list`` (kubeadm v1beta4); kind ignores the wrong one in silence.
    containerlab_reconciles: ``deploy`` on a running lab repairs it (containerlab 0.77 and later) instead of refusing.
    calicoctl_mismatch: calicoctl refuses a cluster of any other version than its own; within one minor version it may go on.
    """
    kubernetes = as_tuple(tag_version(node_image) or "1.34")
    taints = [MASTER] if kubernetes < (1, 24) else [CONTROL_PLANE, MASTER] if kubernetes < (1, 25) else [CONTROL_PLANE]
    containerlab, calicoctl = ((tools.get(name) or {}).get("version") or "" for name in ("containerlab", "calicoctl"))
    return {
        "control_plane_taints": [{"key": key, "effect": "NoSchedule"} for key in taints],
        "kubelet_args_form": "map" if kubernetes < (1, 36) else "list",
        "containerlab_reconciles": not containerlab or as_tuple(containerlab) >= (0, 77),
        "calicoctl_mismatch": bool(calico and calicoctl) and calico.lstrip("v") != calicoctl and as_tuple(calico)[:2] == as_tuple(calicoctl)[:2],
    }


def tool_problem(name: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> str | None:
    """What is wrong with a tool on the lab host and what to do, or None.

    ``wanted``: ``{supported, pinned, get}``; ``found``: ``{path, version, error}`` (path None when there is none).
    """
    supported, pinned, how = wanted.get("supported", ""), wanted.get("pinned", ""), wanted.get("get", "")
    needed = f"{supported or 'any version'}{f' ({pinned} is known to work)' if pinned else ''} is needed"
    advice = f"; {how}" if how else ""
    if not found.get("path"):
        return f"{name}: not found; {needed}{advice}"
    if found.get("error"):
        return f"{name}: {found['path']} does not work: {found['error']}{advice}"
    if not found.get("version"):
        return f"{name}: {found['path']} names no version; {needed}{advice}"
    if not satisfies(found["version"], supported):
        return f"{name}: {found['path']} is version {found['version']}; {needed}{advice}"
    return None


def source_of(wanted: Mapping[str, Any], source: str) -> str | None:
    """Where a tool comes from with this source (``release`` or ``go``): its ``path`` first, then ``url`` or ``go``; None when from nowhere."""
    return str(wanted.get("path") or wanted.get({"release": "url", "go": "go"}.get(source, "")) or "") or None


def machine_name(machine: str) -> str:
    """Go's name of a processor (``uname -m`` says x86_64, aarch64): amd64, arm64; others as they are."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def checksum_for(listing: str, file: str) -> str | None:
    """The SHA-256 of a file in a list as sha256sum prints it (``<hex>  <name>``), or of the only line without a name; None when there is none."""
    for line in listing.splitlines():
        words = line.split()
        if words and re.fullmatch(r"[0-9a-fA-F]{64}", words[0]) and (len(words) == 1 or words[1].lstrip("*").rpartition("/")[2] == file):
            return words[0].lower()
    return None
