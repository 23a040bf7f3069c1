# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shape of a fabric file as a JSON schema (draft 2020-12). The inventory reference is generated from it.

Every property has a description; optional ones have the default that applies, or say what their absence means. Formats
(label, prefix, address, asn, ...) are checked by fabric_shape; what several keys must fulfil together by fabric_checks.
"""

from __future__ import annotations

from typing import Any

PLUGIN = "leafspine.calico.fabric"

Schema = dict[str, Any]


def _mapping(description: str, properties: dict[str, Schema], required: tuple[str, ...] = (), **more: Any) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def _named(description: str, value: Schema, key: str = "label", **more: Any) -> Schema:
    """A mapping whose keys are names."""
    return {
        "type": "object",
        "description": description,
        "propertyNames": {"format": key},
        "additionalProperties": value,
        **more,
    }


def _text(fmt: str, description: str, **more: Any) -> Schema:
    return {"type": "string", "format": fmt, "description": description, **more}


def _number(low: int, high: int, description: str, **more: Any) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high, "description": description, **more}


def _flag(description: str, default: bool) -> Schema:
    return {"type": "boolean", "description": description, "default": default}


_MANAGEMENT = _text("address", "Management address of the device, inside management_subnet; absent: the next one of the device's range.")
_ASN: Schema = {"type": "integer", "format": "asn"}

CLUSTER = _mapping(
    "The Kubernetes cluster.",
    {
        "name": _text("cluster-name", "Name of the cluster; absent: clab-<lab_name>."),
        "pod_subnet": _text("prefix", "Prefix of the pods; Calico cuts its blocks from it.", default="10.244.0.0/16"),
        "service_subnet": _text("prefix", "Prefix of the services' cluster addresses.", default="10.96.0.0/16"),
        "node_network": _text(
            "prefix",
            "Prefix of the network that gives the nodes their own eth0 (Docker's 'kind' network); only kept free of overlaps.",
            default="172.18.0.0/16",
        ),
        "naming": {
            "type": "string",
            "enum": ["kind", "verbatim"],
            "description": "How servers become node names: 'kind' puts the cluster's name before them, as kind does; 'verbatim' takes them as they are.",
            "default": "kind",
        },
        "control_planes": {
            "type": "array",
            "items": {"type": "string"},
            "uniqueItems": True,
            "description": "With naming 'verbatim': the servers that are control planes; absent: none is known.",
        },
    },
)

CALICO = _mapping(
    "Calico's own settings.",
    {"nat_outgoing": _flag("Nodes masquerade traffic of pods to addresses outside the pod prefix (IPPool natOutgoing).", True)},
)

BGP = _mapping(
    "Settings of the BGP sessions. Passwords are secrets of the lab, never written here.",
    {
        "timers": _mapping(
            "Timers of the sessions between leaves and spines.",
            {
                "keepalive": _number(1, 21845, "Seconds between keepalives."),
                "holdtime": _number(3, 65535, "Seconds of silence after which a session is down; at least three keepalives."),
                "connect": _number(1, 65535, "Seconds between attempts to connect.", default=5),
            },
            ("keepalive", "holdtime"),
            default={"keepalive": 3, "holdtime": 9},
        ),
        "bfd": _mapping(
            "Bidirectional forwarding detection between leaves and spines.",
            {
                "enabled": _flag("Whether the sessions use it.", True),
                "interval": _number(10, 60000, "Milliseconds between packets, both directions.", default=50),
                "multiplier": _number(2, 255, "Lost packets after which the link is down.", default=3),
            },
            default={},
        ),
        "md5": _flag(
            "Whether leaves and spines authenticate their sessions (TCP MD5, RFC 2385), with a password that is generated or given to the roles.", True
        ),
        "import_filter": _mapping(
            "What a leaf believes its nodes: blocks inside the pod prefix, the service prefix, single addresses inside it.",
            {
                "enabled": _flag("Whether leaves filter what nodes announce.", True),
                "service_ranges": {
                    "type": "array",
                    "items": _text("prefix", "A prefix of further service addresses."),
                    "uniqueItems": True,
                    "description": "Prefixes of external and load balancer addresses of services that nodes may announce too.",
                    "default": [],
                },
                "maximum_prefix": _number(1, 1000000, "Prefixes from one node beyond which its session is ended.", default=1000),
            },
            default={},
        ),
    },
)

SPINES = _named(
    "Spines by name.",
    _mapping(
        "A spine.",
        {
            "asn": {**_ASN, "description": "The spine's autonomous system."},
            "management": _MANAGEMENT,
            "leaf_port": _number(
                1,
                128,
                "Number of the port (ethN) every leaf uses towards this spine; absent: the next one in the order of the spines. "
                "Give it to a spine that is added later, so that the leaves' rack ports stay where they are.",
            ),
        },
        ("asn",),
    ),
    minProperties=1,
    maxProperties=16,
)

LEAF = {
    "type": ["string", "object"],
    "format": "label",
    "description": "A leaf: its name, or a mapping with its name and what is fixed for it.",
    "properties": {
        "name": _text("label", "The leaf's name."),
        "management": _MANAGEMENT,
        "spine_port": _number(1, 128, "Number of the port (ethN) every spine uses towards this leaf; absent: one more than the number in the leaf's name."),
    },
    "required": ["name"],
    "additionalProperties": False,
}

UPLINKS = _named(
    "Prefixes of the links by leaf; a leaf that is left out has links to all spines, drawn from link_pool.",
    _named(
        "Prefixes of a leaf's links by spine; a spine that is left out, or has no value, gets a link drawn from link_pool.",
        {
            "type": ["string", "null", "boolean"],
            "format": "link",
            "description": "Prefix of the link (first address: leaf, second: spine); null: drawn from link_pool; false: no link.",
        },
        key="any",
        minProperties=1,
    ),
    key="any",
    minProperties=1,
)

RACKS = _named(
    "Racks by name; the name is also the node label 'rack'.",
    _mapping(
        "A rack: one segment that its leaf and its servers share.",
        {
            "asn": {**_ASN, "description": "The autonomous system of the rack's leaf and nodes."},
            "subnet": _text("prefix", "Prefix of the rack; the leaf has its first address."),
            "leaves": {"type": "array", "items": LEAF, "minItems": 1, "description": "The rack's leaves; one leaf a rack for now."},
            "servers": _named("Addresses of the servers by name.", _text("address", "The server's address in the rack's prefix."), maxProperties=250),
            "uplinks": UPLINKS,
        },
        ("asn", "subnet", "leaves", "servers"),
    ),
    minProperties=1,
    maxProperties=128,
)

SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A fabric of racks, leaves, spines and servers",
    **_mapping(
        "The whole fabric file.",
        {
            "plugin": {"const": PLUGIN, "description": "Names the inventory plugin that reads the file."},
            "lab_name": _text("lab-name", "Names everything on the lab host, the management bridge too: a label of at most 15 characters."),
            "lab_host": _text("label", "Inventory name of the lab host.", default="labhost"),
            "cluster": {**CLUSTER, "default": {}},
            "management_subnet": _text("prefix", "Prefix of the management bridge; the lab host has its first address.", default="172.20.20.0/24"),
            "link_pool": _text("prefix", "Links without a prefix of their own are drawn from it, one block of 16 links a leaf.", default="10.255.0.0/16"),
            "link_prefix_length": {"type": "integer", "enum": [30, 31], "description": "Length of the prefixes drawn from link_pool.", "default": 31},
            "mtu": _number(1280, 9216, "MTU of every link, bridge and fabric interface.", default=1500),
            "bridge_prefix": _text("bridge-prefix", "What a rack's bridge is called before the leaf's name.", default="br-"),
            "bgp": {**BGP, "default": {}},
            "ecmp": _mapping(
                "How routers spread flows over equal paths.",
                {"layer4": _flag("Hash ports as well as addresses.", True)},
                default={},
            ),
            "nat": _mapping(
                "What leaves masquerade out of their management interface.",
                {
                    "source": _text("prefix", "Prefix that is masqueraded, holding every rack; absent: each leaf masquerades its own rack."),
                    "rule": _number(1, 999999, "Number of the NAT rule.", default=100),
                },
                default={},
            ),
            "calico": {**CALICO, "default": {}},
            "spines": SPINES,
            "racks": RACKS,
        },
        ("plugin", "lab_name", "spines", "racks"),
    ),
}


def with_defaults(document: dict[str, Any], schema: Schema | None = None) -> dict[str, Any]:
    """A copy of a mapping with the schema's defaults in place of absent keys, at every level that the schema names."""
    filled = dict(document)
    for key, part in (SCHEMA if schema is None else schema)["properties"].items():
        if key not in filled and "default" in part:
            filled[key] = part["default"]
        if isinstance(filled.get(key), dict) and "properties" in part:
            filled[key] = with_defaults(filled[key], part)
    return filled
