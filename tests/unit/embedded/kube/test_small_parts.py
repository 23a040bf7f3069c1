from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest
from leafspine_embedded.kube import settings
from leafspine_embedded.kube.addresses import parse_addresses
from leafspine_embedded.kube.context import ClusterContext, Node
from leafspine_embedded.kube.nodes import node_object, set_condition
from leafspine_embedded.kube.printers import human_duration
from leafspine_embedded.kube.tables import json_path


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (121, "2m1s"), (599, "9m59s"), (600, "10m"), (10799, "179m"), (10800, "3h"),
        (11000, "3h3m"), (28800, "8h"), (172799, "47h"), (172800, "2d"), (180000, "2d2h"), (8 * 86400, "8d"), (729 * 86400, "729d"), (730 * 86400, "2y"),
        (800 * 86400, "2y70d"), (3000 * 86400, "8y"),
    ],
)  # fmt: skip
def test_ages_read_as_kubectl_writes_them(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.b", [1]),
        (".a.x", []),
        (".l[0]", ["p"]),
        (".l[-1]", ["q"]),
        (".l[5]", []),
        (".l[*]", ["p", "q"]),
        ('.m[?(@.k=="2")].v', ["two"]),
        (".a\\.b", [3]),
        ("nonsense", []),
    ],
)
def test_json_paths(path: str, found: list[object]) -> None:
    value = {"a": {"b": 1}, "l": ["p", "q"], "m": [{"k": "1", "v": "one"}, {"k": "2", "v": "two"}], "a.b": 3}
    assert json_path(value, path) == found


def netlink(*addresses: str) -> bytes:
    made = b""
    for address in addresses:
        attribute = struct.pack("=HH", 8, 1) + b"\x01\x02\x03\x04" + struct.pack("=HH", 8, 2) + socket.inet_aton(address)
        made += struct.pack("=IHHII", 24 + len(attribute), 20, 2, 1, 0) + struct.pack("=BBBBi", 2, 24, 0, 0, 3) + attribute
    return made


DONE = struct.pack("=IHHIIi", 20, 3, 2, 1, 0, 0)


def test_addresses_are_read_from_a_netlink_dump() -> None:
    assert parse_addresses(netlink("10.1.5.10", "127.0.0.1") + DONE) == (["10.1.5.10", "127.0.0.1"], True)
    assert parse_addresses(netlink("10.1.5.10")) == (["10.1.5.10"], False)
    assert parse_addresses(b"\x00" * 7) == ([], False)
    with pytest.raises(OSError, match="RTM_GETADDR"):
        parse_addresses(struct.pack("=IHHIIi", 20, 2, 0, 1, 0, -1))


def context(tmp_path: Path) -> ClusterContext:
    worker = Node("w", "worker", "w", 1, "172.18.0.3", "10.1.5.11", (("rack", "rack0"),), "10.244.1.0/24")
    plane = Node("c", "control-plane", "c", 0, "172.18.0.2", "", (), "10.244.0.0/24", (("node-role.kubernetes.io/control-plane", "", "NoSchedule"),))
    return ClusterContext("tc", tmp_path, "10.244.0.0/16", "10.96.0.0/16", [plane, worker], default_cni=False)


def test_settings_come_back_as_they_were_written(tmp_path: Path) -> None:
    made = context(tmp_path)
    (tmp_path / settings.FILE).write_text(settings.dump(made))
    loaded = settings.load(tmp_path)
    assert loaded.nodes == made.nodes and loaded.service_subnet == made.service_subnet and not loaded.default_cni
    assert settings.control_plane(loaded).name == "c"


def test_nodes_register_with_labels_taints_and_ranges(tmp_path: Path) -> None:
    made = context(tmp_path)
    plane, worker = (node_object(made, node) for node in made.nodes)
    assert plane["spec"]["taints"] == [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]
    assert plane["metadata"]["labels"]["node-role.kubernetes.io/control-plane"] == ""
    assert worker["metadata"]["labels"]["rack"] == "rack0" and "taints" not in worker["spec"]
    assert worker["spec"]["podCIDRs"] == ["10.244.1.0/24"]
    assert (made.nodes[0].address, made.nodes[1].address) == ("172.18.0.2", "10.1.5.11")


def test_a_conditions_transition_time_moves_only_with_its_status() -> None:
    conditions = [{"type": "Ready", "status": "False", "lastTransitionTime": "2020-01-01T00:00:00Z"}]
    set_condition(conditions, "Ready", "False", "R", "still")
    assert conditions[0]["lastTransitionTime"] == "2020-01-01T00:00:00Z" and conditions[0]["message"] == "still"
    set_condition(conditions, "Ready", "True", "R", "now")
    assert conditions[0]["lastTransitionTime"] != "2020-01-01T00:00:00Z" and len(conditions) == 1
