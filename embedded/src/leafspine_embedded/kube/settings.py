"""The file through which `kind` tells the server what to serve: <cluster dir>/cluster.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from leafspine_embedded.kube.context import ClusterContext, Node

FILE = "cluster.json"


def dump(context: ClusterContext) -> str:
    """The file's text."""
    nodes = [
        {
            "name": node.name,
            "role": node.role,
            "eth0_address": node.eth0_address,
            "node_ip": node.node_ip,
            "labels": dict(node.labels),
            "pod_cidr": node.pod_cidr,
            "taints": [list(taint) for taint in node.taints],
        }
        for node in context.nodes
    ]
    value: dict[str, Any] = {
        "name": context.name,
        "pod_subnet": context.pod_subnet,
        "service_subnet": context.service_subnet,
        "default_cni": context.default_cni,
        "kube_proxy": context.kube_proxy,
        "version": context.version,
        "nodes": nodes,
    }
    return json.dumps(value, indent=1) + "\n"


def load(directory: Path) -> ClusterContext:
    """What `dump` wrote. Raises FileNotFoundError, and KeyError or ValueError for a file that is not ours."""
    value = json.loads((directory / FILE).read_text())
    nodes = [
        Node(
            name=entry["name"],
            role=entry["role"],
            namespace=entry["name"],
            index=index,
            eth0_address=entry["eth0_address"],
            node_ip=entry["node_ip"],
            labels=tuple(entry["labels"].items()),
            pod_cidr=entry["pod_cidr"],
            taints=tuple((taint[0], taint[1], taint[2]) for taint in entry["taints"]),
        )
        for index, entry in enumerate(value["nodes"])
    ]
    return ClusterContext(
        name=value["name"],
        dir=directory,
        pod_subnet=value["pod_subnet"],
        service_subnet=value["service_subnet"],
        nodes=nodes,
        default_cni=value["default_cni"],
        kube_proxy=value["kube_proxy"],
        version=value["version"],
    )


def control_plane(context: ClusterContext) -> Node:
    """The node the API server listens on."""
    return next(node for node in context.nodes if node.role == "control-plane")
