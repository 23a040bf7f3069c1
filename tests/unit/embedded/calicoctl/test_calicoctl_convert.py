"""v3 resources <-> what the Kubernetes datastore keeps; tables and YAML as the real lab showed them."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from leafspine_embedded.calico import blocks
from leafspine_embedded.calicoctl import arguments, convert, documents, ipam, nodestatus, output, tables
from leafspine_embedded.calicoctl.crud import merge
from leafspine_embedded.calicoctl.errors import CommandError, ParseError
from leafspine_embedded.calicoctl.kinds import BY_NAME

NODE: dict[str, Any] = {
    "metadata": {
        "name": "worker", "uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-11-23T07:38:24Z", "labels": {"rack": "rack0"},
        "annotations": {"node.alpha.kubernetes.io/ttl": "0", "projectcalico.org/ASNumber": "65005", "projectcalico.org/IPv4Address": "10.1.5.11/24",
                        "projectcalico.org/Interfaces": '[{"name":"net0","addresses":["10.1.5.11"]}]'},
    },
    "spec": {"podCIDRs": ["10.244.2.0/24"]},
    "status": {"addresses": [{"type": "InternalIP", "address": "10.1.5.11"}, {"type": "Hostname", "address": "worker"}]},
}  # fmt: skip

POD: dict[str, Any] = {
    "metadata": {
        "name": "app-5cgfl", "namespace": "default", "generateName": "app-", "uid": "8cad", "resourceVersion": "2630",
        "creationTimestamp": "2026-11-23T07:52:18Z",
        "labels": {"app": "app"}, "annotations": {"cni.projectcalico.org/containerID": "a302", "cni.projectcalico.org/podIP": "10.244.53.0/32"},
    },
    "spec": {"nodeName": "clab-calico-bgp-rr-worker3", "serviceAccountName": "default", "containers": [{"name": "n", "ports": [{"containerPort": 80}]}]},
    "status": {"podIP": "10.244.53.0", "phase": "Running"},
}  # fmt: skip


def test_a_node_of_the_real_lab() -> None:
    assert output.to_yaml(convert.node_from_kubernetes(NODE)) == (
        "apiVersion: projectcalico.org/v3\n"
        "kind: Node\n"
        "metadata:\n"
        "  annotations:\n"
        '    projectcalico.org/kube-labels: \'{"rack":"rack0"}\'\n'
        '  creationTimestamp: "2026-11-23T07:38:24Z"\n'
        "  labels:\n"
        "    rack: rack0\n"
        "  name: worker\n"
        '  resourceVersion: "7"\n'
        "  uid: u\n"
        "spec:\n"
        "  addresses:\n"
        "  - address: 10.1.5.11/24\n"
        "    type: CalicoNodeIP\n"
        "  - address: 10.1.5.11\n"
        "    type: InternalIP\n"
        "  bgp:\n"
        "    asNumber: 65005\n"
        "    ipv4Address: 10.1.5.11/24\n"
        "  interfaces:\n"
        "  - addresses:\n"
        "    - 10.1.5.11\n"
        "    name: net0\n"
        "  orchRefs:\n"
        "  - nodeName: worker\n"
        "    orchestrator: k8s\n"
        "status:\n"
        "  podCIDRs:\n"
        "  - 10.244.2.0/24\n"
    )


def test_writing_a_node_back_unchanged_changes_nothing() -> None:
    import copy

    assert convert.node_into_kubernetes(convert.node_from_kubernetes(NODE), copy.deepcopy(NODE)) == NODE


def test_a_node_s_own_labels_stay_apart_from_kubernetes_labels() -> None:
    import copy

    obj = convert.node_from_kubernetes(NODE)
    obj["metadata"]["labels"]["cluster"] = "x"
    obj["spec"]["bgp"] = {"ipv4Address": "10.1.5.12/24"}
    node = convert.node_into_kubernetes(obj, copy.deepcopy(NODE))
    assert node["metadata"]["labels"] == {"rack": "rack0"}
    assert node["metadata"]["annotations"]["projectcalico.org/labels"] == '{"cluster":"x"}'
    assert "projectcalico.org/ASNumber" not in node["metadata"]["annotations"]
    assert node["metadata"]["annotations"]["node.alpha.kubernetes.io/ttl"] == "0"
    assert convert.node_from_kubernetes(node)["metadata"]["labels"] == {"rack": "rack0", "cluster": "x"}


def test_a_workload_endpoint_of_the_real_lab() -> None:
    endpoint = convert.endpoint_from_pod(POD)
    assert endpoint is not None
    assert endpoint["metadata"]["name"] == "clab--calico--bgp--rr--worker3-k8s-app--5cgfl-eth0"
    assert endpoint["metadata"]["labels"] == {
        "app": "app", "projectcalico.org/namespace": "default", "projectcalico.org/orchestrator": "k8s", "projectcalico.org/serviceaccount": "default",
    }  # fmt: skip
    assert endpoint["spec"] == {
        "containerID": "a302", "endpoint": "eth0", "interfaceName": "cali5a5b484b5b4", "ipNetworks": ["10.244.53.0/32"], "node": "clab-calico-bgp-rr-worker3",
        "orchestrator": "k8s", "pod": "app-5cgfl", "profiles": ["kns.default", "ksa.default.default"], "serviceAccountName": "default",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("namespace", "pod", "name"),
    [
        ("default", "app-5cgfl", "cali5a5b484b5b4"),
        ("default", "app-br5cc", "cali4ccf49a5b19"),
        ("default", "app-wwmkb", "caliae6e0c79bba"),
        ("kube-system", "coredns-66bc5c9577-cczfz", "calif3fbbe998b2"),
    ],
)
def test_interface_names_of_the_real_lab(namespace: str, pod: str, name: str) -> None:
    assert convert.interface_name(namespace, pod) == name


@pytest.mark.parametrize("part", [{"spec": {**POD["spec"], "hostNetwork": True}}, {"status": {"phase": "Succeeded", "podIP": "10.244.53.0"}}, {"spec": {}}])
def test_pods_that_are_no_endpoints(part: dict[str, Any]) -> None:
    assert convert.endpoint_from_pod({**POD, **part}) is None


def test_named_ports_are_shown() -> None:
    ports = [{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"containerPort": 80}, {"containerPort": 81, "hostPort": 8081}]
    endpoint = convert.endpoint_from_pod({**POD, "spec": {**POD["spec"], "containers": [{"ports": ports}]}})
    assert endpoint is not None
    assert [(p["name"], p["port"], p["hostPort"], p["hostIP"]) for p in endpoint["spec"]["ports"]] == [("dns", 53, 0, ""), ("", 81, 8081, "")]


def test_labels_and_annotations_of_a_custom_resource_survive() -> None:
    kind = BY_NAME["BGPPeer"]
    obj = {
        "kind": "BGPPeer", "apiVersion": "projectcalico.org/v3", "spec": {"peerIP": "10.1.5.1"},
        "metadata": {"name": "p", "resourceVersion": "3", "labels": {"a": "b"}, "annotations": {"c": "d"}, "creationTimestamp": "2026-01-01T00:00:00Z"},
    }  # fmt: skip
    stored = convert.to_stored(obj, kind)
    assert stored["metadata"] == {
        "name": "p", "resourceVersion": "3",
        "annotations": {"projectcalico.org/metadata": '{"annotations":{"c":"d"},"creationTimestamp":"2026-01-01T00:00:00Z","labels":{"a":"b"}}'},
    }  # fmt: skip
    assert (stored["apiVersion"], stored["kind"]) == ("crd.projectcalico.org/v1", "BGPPeer")
    assert convert.from_stored(stored, kind) == obj
    assert convert.to_stored({**obj, "kind": "IPAMConfiguration"}, BY_NAME["IPAMConfiguration"])["kind"] == "IPAMConfig"


class FakeCalico:
    """The addresses in use of the real lab (calicoctl ipam show --show-blocks)."""

    def stored(self, plural: str) -> list[dict[str, Any]]:
        found = []
        for cidr, used in {"10.244.53.0/26": 1, "10.244.226.192/26": 1, "10.244.232.192/26": 1, "10.244.235.64/26": 4}.items():
            spec = blocks.new_block(IPv4Network(cidr), "n")
            for i in range(used):
                blocks.allocate(spec, f"h{i}", {})
            found.append({"metadata": {"name": cidr}, "spec": spec})
        return found if plural == "ipamblocks" else []

    def list_all(self, kind: object, namespace: str = "") -> dict[str, Any]:
        return {"items": [{"spec": {"cidr": "10.244.0.0/16"}}]}


def test_ipam_show_prints_the_real_lab_s_table() -> None:
    assert ipam._utilisation(FakeCalico(), True) == (  # type: ignore[arg-type]
        "+----------+-------------------+-----------+------------+--------------+\n"
        "| GROUPING |       CIDR        | IPS TOTAL | IPS IN USE |   IPS FREE   |\n"
        "+----------+-------------------+-----------+------------+--------------+\n"
        "| IP Pool  | 10.244.0.0/16     |     65536 | 7 (0%)     | 65529 (100%) |\n"
        "| Block    | 10.244.226.192/26 |        64 | 1 (2%)     | 63 (98%)     |\n"
        "| Block    | 10.244.232.192/26 |        64 | 1 (2%)     | 63 (98%)     |\n"
        "| Block    | 10.244.235.64/26  |        64 | 4 (6%)     | 60 (94%)     |\n"
        "| Block    | 10.244.53.0/26    |        64 | 1 (2%)     | 63 (98%)     |\n"
        "+----------+-------------------+-----------+------------+--------------+\n"
    )


def test_node_status_prints_the_real_lab_s_table() -> None:
    reply = [
        (2002, "name       proto      table      state  since         info"),
        (1002, "kernel1    Kernel     master4    up     07:48:55      "),
        (1002, "Node_10_1_5_1 BGP        ---        up     07:52:16      Established   "),
        (1002, "Mesh_10_1_5_10 BGP        ---        start  07:52:17      Active        Socket: Connection refused"),
        (1002, "other BGP        ---        up     07:52:16      Established   "),
    ]
    rows = nodestatus.peers(reply)
    assert rows[1] == ["10.1.5.10", "node-to-node mesh", "start", "07:52:17", "Active Socket: Connection refused"]
    assert tables.boxed(("PEER ADDRESS", "PEER TYPE", "STATE", "SINCE", "INFO"), rows[:1]) == (
        "+--------------+---------------+-------+----------+-------------+\n"
        "| PEER ADDRESS |   PEER TYPE   | STATE |  SINCE   |    INFO     |\n"
        "+--------------+---------------+-------+----------+-------------+\n"
        "| 10.1.5.1     | node specific | up    | 07:52:16 | Established |\n"
        "+--------------+---------------+-------+----------+-------------+\n"
    )


def test_no_node_s_namespace_no_status(tmp_path: Path) -> None:
    (tmp_path / "clusters" / "c" / "calico" / "nobody").mkdir(parents=True)
    assert nodestatus.node_directory(tmp_path, tmp_path) is None


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("x", "x"),
        ("65005", '"65005"'),
        ("true", '"true"'),
        ("", '""'),
        ("65000:1", '"65000:1"'),
        ("1:30", '"1:30"'),
        ("2026-01-01T00:00:00Z", '"2026-01-01T00:00:00Z"'),
        ("all()", "all()"),
        ("rack == 'r'", "rack == 'r'"),
    ],
)
def test_strings_in_yaml(text: str, written: str) -> None:
    assert output.to_yaml({"a": text}) == f"a: {written}\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [("65000:1", "65000:1"), ("010", 8), ("0x10", 16), ("1_000", 1000), ("yes", True), ("2026-01-01", "2026-01-01"), ("'5'", "5"), ("~", None), ("1.5", 1.5)],
)
def test_scalars_are_read_as_go_reads_them(text: str, value: object) -> None:
    assert documents.load_yaml(f"a: {text}") == {"a": value}


def test_numbers_and_booleans_become_text_where_text_is_wanted() -> None:
    raw = {
        "kind": "BGPPeer",
        "apiVersion": "projectcalico.org/v3",
        "metadata": {"name": 5, "labels": {"a": True}},
        "spec": {"peerIP": 10, "asNumber": "1.10", "maxRestartTime": "90s"},
    }
    assert documents.resource(raw)["metadata"] == {"name": "5", "labels": {"a": "true"}}
    assert documents.resource(raw)["spec"] == {"peerIP": "10", "asNumber": 65546, "maxRestartTime": "1m30s"}


@pytest.mark.parametrize(
    "spec",
    [
        {"asNumber": True},
        {"asNumber": -1},
        {"asNumber": 1.5},
        {"peerIP": []},
        {"keepOriginalNextHop": "yes"},
        {"filters": "f"},
        {"password": "x"},
        {"maxRestartTime": "soon"},
    ],
)
def test_values_of_another_type_are_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ParseError):
        documents.resource({"kind": "BGPPeer", "apiVersion": "projectcalico.org/v3", "metadata": {"name": "p"}, "spec": spec})


@pytest.mark.parametrize(
    ("live", "patch", "result"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": [1]}, {"a": [2]}, {"a": [2]}),
        ({"a": 1}, {"a": None}, {}),
        ({}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ],
)
def test_merge(live: Any, patch: Any, result: Any) -> None:
    assert merge(live, patch) == result


@pytest.mark.parametrize(
    ("argv", "command", "operands", "values"),
    [
        ("get bgppeer a b -oyaml", "get", ["bgppeer", "a", "b"], {"output": "yaml"}),
        ("get -o yaml bgppeer", "get", ["bgppeer"], {"output": "yaml"}),
        ("get --outp=json nodes", "get", ["nodes"], {"output": "json"}),
        ("apply -f -", "apply", [], {"filename": "-"}),
        ("--context x get nodes", "get", ["nodes"], {"context": "x"}),
        ("-l debug ipam show --ip 10.0.0.1", "ipam show", [], {"log-level": "debug", "ip": "10.0.0.1"}),
        ("datastore migrate lock", "datastore migrate lock", [], {}),
    ],
)
def test_command_lines(argv: str, command: str, operands: list[str], values: dict[str, str]) -> None:
    found = arguments.parse(argv.split())
    assert (found.command, found.operands, found.values) == (command, operands, values)


@pytest.mark.parametrize(
    "argv",
    ["", "get", "get nodes --o=x --ou", "get nodes -x", "get nodes -o", "apply -f a b", "validate -f a -n x", "ipam", "node", "version x", "get -f a nodes"],
)
def test_command_lines_that_are_refused(argv: str) -> None:
    with pytest.raises(CommandError):
        arguments.parse(argv.split())
