"""Changes to Kubernetes manifests that others publish: pure functions."""

from __future__ import annotations

import copy
from typing import Any


def with_daemonset_env(documents: list[Any], name: str, env: dict[str, str]) -> list[dict[str, Any]]:
    """The documents with environment variables set on the first container of DaemonSet ``name``; empty documents are left out.

    A variable that is there is given the new value (a ``valueFrom`` goes), others are appended in order.
    Raises ValueError when there is no such DaemonSet.
    """
    result = [document for document in documents if document]
    found = [number for number, one in enumerate(result) if one.get("kind") == "DaemonSet" and one.get("metadata", {}).get("name") == name]
    if not found:
        kinds = sorted({str(document.get("kind")) for document in result})
        raise ValueError(f"the manifest has no DaemonSet {name}; found: {', '.join(kinds) or 'nothing'}")
    # A copy of this one alone: the others of Calico's manifest are long.
    result[found[0]] = daemonset = copy.deepcopy(result[found[0]])
    container = daemonset["spec"]["template"]["spec"]["containers"][0]
    entries = container.setdefault("env", [])
    for key, value in env.items():
        wanted = {"name": key, "value": str(value)}
        places = [number for number, entry in enumerate(entries) if entry.get("name") == key]
        if places:
            entries[places[0]] = wanted
        else:
            entries.append(wanted)
    return result
