"""The module calicoctl against a calicoctl that behaves as the real one was measured to."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.modules import calicoctl
from ansible_collections.leafspine.calico.tests.unit.plugins.modules.module_runner import FakeTool, run_module

CONFIG: dict[str, Any] = {"kind": "BGPConfiguration", "metadata": {"name": "default"}, "spec": {"logSeverityScreen": "Info", "nodeToNodeMeshEnabled": False}}
NODE: dict[str, Any] = {"kind": "Node", "metadata": {"name": "worker"}, "spec": {"bgp": {"asNumber": "65005", "ipv4Address": "10.1.5.11/24"}}}
PEER: dict[str, Any] = {"kind": "BGPPeer", "metadata": {"name": "rack0"}, "spec": {"peerIP": "10.1.5.1", "asNumber": 65005, "nodeSelector": "rack == 'rack0'"}}
POOL: dict[str, Any] = {"kind": "IPPool", "metadata": {"name": "pool"}, "spec": {"cidr": "10.244.0.0/16", "natOutgoing": False}}
KUBE_NODE: dict[str, Any] = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "Node",
    "metadata": {
        "name": "worker",
        "annotations": {"projectcalico.org/kube-labels": '{"rack":"rack0","empty":""}'},
        "labels": {"rack": "rack0", "empty": "", "calico": "own"},
        "resourceVersion": "7",
        "uid": "u",
    },
    "spec": {
        "addresses": [{"address": "10.1.5.11", "type": "InternalIP"}],
        "orchRefs": [{"nodeName": "worker", "orchestrator": "k8s"}],
        "interfaces": [{"name": "net0"}],
    },
    "status": {"podCIDRs": ["10.244.2.0/24"], "wireguardPublicKey": "abc="},
}


@pytest.fixture
def fake(tmp_path: Path) -> FakeTool:
    tool = FakeTool(tmp_path, "fake_calicoctl.py")
    tool.store = {"Node/worker": KUBE_NODE}
    return tool


def run(fake: FakeTool, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
    return run_module(calicoctl.main, {"executable": fake.executable, **copy.deepcopy(arguments)}, check=check)


def live(fake: FakeTool, key: str) -> dict[str, Any]:
    resource: dict[str, Any] = fake.store[key]
    return resource


def test_everything_new_is_written_with_one_apply_and_the_second_run_changes_nothing(fake: FakeTool) -> None:
    resources = [CONFIG, NODE, PEER, POOL]
    first = run(fake, resources=resources)
    assert first["changed"] and first["created"] == ["BGPConfiguration(default)", "BGPPeer(rack0)", "IPPool(pool)"] and first["updated"] == ["Node(worker)"]
    assert sorted(fake.verbs()) == ["apply", "get", "get", "get", "get"]
    fake.forget()
    second = run(fake, resources=resources)
    assert not second["changed"] and second["diff"] == [] and len(second["unchanged"]) == 4
    assert set(fake.verbs()) == {"get"}


def test_several_resources_of_a_kind_are_read_with_one_get(fake: FakeTool) -> None:
    peers = [{**PEER, "metadata": {"name": f"peer{number}"}} for number in range(5)]
    assert len(run(fake, resources=peers)["created"]) == 5
    assert fake.verbs() == ["get", "apply"]
    # One of several missing: found ones on standard output, the error on standard error, exit code 1.
    assert run(fake, resources=[*peers, PEER])["created"] == ["BGPPeer(rack0)"]


def test_only_the_resource_that_differs_is_applied(fake: FakeTool) -> None:
    run(fake, resources=[CONFIG, PEER])
    fake.forget()
    changed = {**PEER, "spec": {"peerIP": "10.1.5.2"}}
    result = run(fake, resources=[CONFIG, changed])
    assert result["updated"] == ["BGPPeer(rack0)"] and result["unchanged"] == ["BGPConfiguration(default)"]
    sent = next(call for call in fake.calls if call["argv"][0] == "apply")["stdin"]
    assert json.loads(sent)["spec"] == {**PEER["spec"], "peerIP": "10.1.5.2"}
    assert "-  peerIP" not in result["diff"][0]["before"] and "peerIP: 10.1.5.2" in result["diff"][0]["after"].replace('"', "")


def test_what_the_task_does_not_mention_is_kept_unless_replace(fake: FakeTool) -> None:
    run(fake, resources=[CONFIG])
    service = {"spec": {"serviceClusterIPs": [{"cidr": "10.96.0.0/16"}]}}
    assert run(fake, state="patched", kind="bgpconfig", name="default", patch=service)["updated"] == ["BGPConfiguration(default)"]
    assert not run(fake, state="patched", kind="bgpconfig", name="default", patch=service)["changed"]
    assert not run(fake, resources=[CONFIG])["changed"]
    assert live(fake, "BGPConfiguration/default")["spec"]["serviceClusterIPs"] == [{"cidr": "10.96.0.0/16"}]
    assert run(fake, resources=[CONFIG], replace=True)["changed"]
    assert "serviceClusterIPs" not in live(fake, "BGPConfiguration/default")["spec"]
    assert not run(fake, resources=[CONFIG], replace=True)["changed"]


def test_null_removes_a_key(fake: FakeTool) -> None:
    run(fake, resources=[{**CONFIG, "spec": {**CONFIG["spec"], "serviceClusterIPs": [{"cidr": "10.96.0.0/16"}]}}])
    run(fake, state="patched", kind="BGPConfiguration", name="default", patch={"spec": {"serviceClusterIPs": None}})
    assert "serviceClusterIPs" not in live(fake, "BGPConfiguration/default")["spec"]
    assert not run(fake, resources=[{**CONFIG, "spec": {"serviceClusterIPs": None}}])["changed"]


def test_kubernetes_parts_of_a_node_are_never_sent_and_calicos_own_are_kept(fake: FakeTool) -> None:
    run(fake, resources=[NODE])
    sent = json.loads(next(call for call in fake.calls if call["argv"][0] == "apply")["stdin"])
    assert sent["metadata"] == {"name": "worker", "labels": {"calico": "own"}}
    assert set(sent["spec"]) == {"bgp", "interfaces"} and sent["status"] == {"wireguardPublicKey": "abc="}
    assert live(fake, "Node/worker")["metadata"]["labels"] == KUBE_NODE["metadata"]["labels"]
    assert not run(fake, resources=[NODE])["changed"]


def test_replace_drops_calicos_own_label_of_a_node_but_not_kubernetes_parts(fake: FakeTool) -> None:
    assert run(fake, resources=[NODE], replace=True)["changed"]
    node = live(fake, "Node/worker")
    assert node["metadata"]["labels"] == {"rack": "rack0", "empty": ""} and node["spec"]["addresses"] and node["status"]["podCIDRs"]
    assert not run(fake, resources=[NODE], replace=True)["changed"]


def test_a_node_label_of_kubernetes_may_be_named_but_not_changed(fake: FakeTool) -> None:
    with_label = {**NODE, "metadata": {"name": "worker", "labels": {"rack": "rack0"}}}
    assert run(fake, resources=[with_label])["changed"]
    with_label["metadata"] = {"name": "worker", "labels": {"rack": "rack1"}}
    failed = run(fake, resources=[with_label])
    assert failed["reason"] == "bad_resource" and "label rack is 'rack0' and 'rack1' is wanted" in failed["msg"]


def test_a_node_that_does_not_exist_fails_before_anything_is_applied(fake: FakeTool) -> None:
    failed = run(fake, resources=[PEER, {**NODE, "metadata": {"name": "nobody"}}])
    assert "Node(nobody) does not exist" in failed["msg"] and "apply" not in fake.verbs()
    # With etcd, Calico's own datastore, nodes can be created.
    del fake.store["Node/worker"]
    fake.answers({"verb": "apply", "rc": 0})
    assert run(fake, resources=[{**NODE, "metadata": {"name": "nobody"}}], datastore_type="etcdv3")["created"] == ["Node(nobody)"]


def test_a_pasted_resource_with_stale_server_metadata_is_taken_for_what_it_says(fake: FakeTool) -> None:
    run(fake, resources=[PEER])
    pasted = copy.deepcopy(live(fake, "BGPPeer/rack0"))
    pasted["metadata"] |= {"resourceVersion": "1", "uid": "another", "creationTimestamp": "2001-01-01T00:00:00Z"}
    assert not run(fake, resources=[pasted])["changed"]
    pasted["spec"]["peerIP"] = "10.1.5.9"
    assert run(fake, resources=[pasted])["updated"] == ["BGPPeer(rack0)"]


def test_absent_deletes_what_is_there_with_one_call_a_kind(fake: FakeTool) -> None:
    run(fake, resources=[PEER, {**PEER, "metadata": {"name": "rack1"}}, CONFIG])
    fake.forget()
    names = [{"kind": "BGPPeer", "name": name} for name in ("rack0", "rack1", "never")]
    assert run(fake, state="absent", resources=names)["deleted"] == ["BGPPeer(rack0)", "BGPPeer(rack1)"]
    assert fake.verbs() == ["get", "delete"] and set(fake.store) == {"BGPConfiguration/default", "Node/worker"}
    fake.forget()
    assert not run(fake, state="absent", resources=names)["changed"] and fake.verbs() == ["get"]


NO_DEFINITIONS = "resource does not exist: BGPPeer(rack0) with error: the server could not find the requested resource"


def test_without_calico_s_definitions_nothing_is_there_to_delete_and_writing_says_so(fake: FakeTool) -> None:
    fake.answers({"verb": "get", "rc": 1, "stdout": "null", "stderr": NO_DEFINITIONS})
    assert not run(fake, state="absent", kind="BGPPeer", name="rack0")["changed"]
    fake.answers({"verb": "get", "rc": 1, "stdout": "null", "stderr": NO_DEFINITIONS})
    assert run(fake, resources=[PEER])["reason"] == "crds_missing"


def test_query_by_name_by_kind_and_of_nothing(fake: FakeTool) -> None:
    run(fake, resources=[PEER, CONFIG])
    assert [item["kind"] for item in run(fake, state="query", kind="bgppeers")["resources"]] == ["BGPPeer"]
    assert run(fake, state="query", kind="BGPPeer", name="rack0")["resources"][0]["spec"]["asNumber"] == 65005
    assert run(fake, state="query", kind="BGPPeer", name="nope")["resources"] == []
    both = run(fake, state="query", resources=[{"kind": "BGPPeer"}, {"kind": "BGPConfiguration", "name": "default"}])
    assert len(both["resources"]) == 2 and not both["changed"]


def test_check_mode_reports_the_same_change_and_writes_nothing(fake: FakeTool) -> None:
    before = fake.store
    checked = run(fake, check=True, resources=[CONFIG, NODE, PEER])
    assert fake.store == before and set(fake.verbs()) == {"get", "validate"} and checked["validated"]
    done = run(fake, resources=[CONFIG, NODE, PEER])
    assert all(checked[key] == done[key] for key in ("changed", "created", "updated", "deleted", "diff"))
    before = fake.store
    assert run(fake, check=True, state="absent", kind="BGPPeer", name="rack0")["deleted"] == ["BGPPeer(rack0)"]
    assert run(fake, check=True, state="patched", kind="BGPConfiguration", name="default", patch={"spec": {"logSeverityScreen": "Debug"}})["changed"]
    assert fake.store == before


def test_check_mode_says_what_validate_refuses(fake: FakeTool) -> None:
    text = "failed to execute command: error parsing document: field in document is not recognized or is in the wrong location: peerIPX"
    fake.answers({"verb": "validate", "rc": 1, "stderr": text})
    failed = run(fake, check=True, resources=[PEER])
    assert failed["reason"] == "unknown_field" and "peerIPX" in failed["msg"]
    fake.answers({"verb": "validate", "rc": 1, "stderr": "Invalid option: 'calicoctl validate -f -'. Use flag '--help' to read about a specific subcommand."})
    assert run(fake, check=True, resources=[PEER])["validated"] is False
    fake.answers({"verb": "validate", "rc": 1, "stderr": text})
    assert run(fake, check=True, validate=False, resources=[PEER])["changed"]


def test_check_mode_without_a_datastore_asks_none_and_reports_everything(fake: FakeTool) -> None:
    result = run(fake, check=True, datastore_exists=False, kubeconfig="/nonexistent", resources=[CONFIG, NODE, PEER])
    assert len(result["created"]) == 3 and fake.verbs() == ["validate"] and result["diff"][0]["before"] == ""
    nothing = run(FakeTool(fake.folder, "no-such-file"), check=True, datastore_exists=False, validate=False, resources=[PEER])
    assert nothing["created"] == ["BGPPeer(rack0)"]
    refused = run(fake, datastore_exists=False, resources=[PEER])
    assert refused["reason"] == "bad_resource" and "check mode" in refused["msg"]
    assert not run(fake, datastore_exists=False, state="absent", kind="BGPPeer", name="rack0")["changed"]
    assert run(fake, datastore_exists=False, state="query", kind="BGPPeer")["resources"] == []


def test_partial_success_names_what_is_applied_and_what_is_not(fake: FakeTool) -> None:
    peers = [{**PEER, "metadata": {"name": f"peer{number}"}} for number in range(10)]
    peers[3] = {**peers[3], "spec": {**PEER["spec"], "peerIP": "300.1.1.1"}}
    failed = run(fake, resources=peers)
    assert failed["failed"] and failed["changed"] and failed["not_applied"] == ["BGPPeer(peer3)"] and len(failed["applied"]) == 9
    assert failed["reason"] == "invalid_resource" and "9 of 10 applied" in failed["msg"] and "300.1.1.1" in failed["msg"] and failed["rc"] == 1
    assert "Partial success: applied the first 9 out of 10" in failed["stdout"] and failed["hint"]


def test_an_update_conflict_is_read_again_and_the_others_change_survives(fake: FakeTool) -> None:
    run(fake, resources=[PEER])
    # Between our get and our apply somebody adds a field.
    fake.answers({"verb": "apply", "changes": {"BGPPeer/rack0": {"keepOriginalNextHop": True}}})
    result = run(fake, resources=[{**PEER, "spec": {"peerIP": "10.1.5.2"}}])
    assert result["changed"] and result["retried"] and live(fake, "BGPPeer/rack0")["spec"]["keepOriginalNextHop"] is True
    assert live(fake, "BGPPeer/rack0")["spec"]["peerIP"] == "10.1.5.2"


def test_a_second_update_conflict_fails(fake: FakeTool) -> None:
    run(fake, resources=[PEER])
    conflict = {"verb": "apply", "changes": {"BGPPeer/rack0": {"keepOriginalNextHop": True}}}
    fake.answers(conflict, conflict)
    failed = run(fake, resources=[{**PEER, "spec": {"peerIP": "10.1.5.2"}}])
    assert failed["reason"] == "update_conflict" and failed["not_applied"] == ["BGPPeer(rack0)"] and failed["applied"] == []


def test_a_conflict_after_a_partial_success_reports_the_whole_way(fake: FakeTool) -> None:
    run(fake, resources=[PEER])
    fake.answers({"verb": "apply", "changes": {"BGPPeer/rack0": {"keepOriginalNextHop": True}}})
    result = run(fake, resources=[CONFIG, {**PEER, "spec": {"peerIP": "10.1.5.2"}}])
    assert result["created"] == ["BGPConfiguration(default)"] and result["updated"] == ["BGPPeer(rack0)"] and result["retried"]


@pytest.mark.parametrize("verb", ["get", "apply"])
def test_a_datastore_that_never_answers_is_given_up(fake: FakeTool, verb: str) -> None:
    fake.answers({"verb": verb, "rc": 0, "sleep": 30, "stdout": "so far\n"})
    started = time.monotonic()
    failed = run(fake, resources=[PEER], timeout=1)
    assert time.monotonic() - started < 10 and failed["reason"] == "timeout" and failed["rc"] is None
    assert "did not end within 1 s" in failed["msg"] and "raise the option timeout" in failed["msg"] and "so far" in failed["msg"]
    if verb == "apply":
        assert failed["unknown"] == ["BGPPeer(rack0)"] and failed["applied"] == [] == failed["not_applied"]


def test_a_missing_executable_and_a_missing_kubeconfig_are_told_at_once(fake: FakeTool, tmp_path: Path) -> None:
    failed = run_module(calicoctl.main, {"executable": ["no-such-calicoctl"], "path": [str(tmp_path)], "resources": [PEER]})
    assert failed["reason"] == "executable_missing" and str(tmp_path) in failed["msg"] and "executable" in failed["hint"]
    failed = run(fake, resources=[PEER], kubeconfig=str(tmp_path / "none"))
    assert failed["reason"] == "kubeconfig_missing" and "none does not exist" in failed["msg"] and fake.calls == []


def test_the_tool_gets_its_environment_and_flags(fake: FakeTool, tmp_path: Path) -> None:
    config = tmp_path / "kubeconfig"
    config.write_text("")
    run(fake, resources=[PEER], kubeconfig=str(config), allow_version_mismatch=True)
    assert all("--allow-version-mismatch" in call["argv"] for call in fake.calls)
    assert all(call["env"]["KUBECONFIG"] == str(config) and call["env"]["DATASTORE_TYPE"] == "kubernetes" for call in fake.calls)
    fake.forget()
    run(fake, resources=[PEER], datastore_type="etcdv3", environment={"ETCD_ENDPOINTS": "http://127.0.0.1:2379"})
    assert fake.calls[0]["env"]["ETCD_ENDPOINTS"] == "http://127.0.0.1:2379" and fake.calls[0]["env"]["DATASTORE_TYPE"] == "etcdv3"


def test_an_executable_in_a_folder_of_path_is_found(fake: FakeTool, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "calicoctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {fake.executable[0]} {fake.executable[1]} "$@"\n')
    program.chmod(0o755)
    assert run_module(calicoctl.main, {"path": [str(program.parent)], "resources": [PEER]})["changed"]


def test_two_patches_of_one_resource_add_up(fake: FakeTool) -> None:
    run(fake, resources=[CONFIG])
    entry = {"kind": "BGPConfiguration", "name": "default"}
    patches = [{**entry, "patch": {"spec": {"logSeverityScreen": "Debug"}}}, {**entry, "patch": {"spec": {"asNumber": 64513}}}]
    assert run(fake, state="patched", resources=patches)["updated"] == ["BGPConfiguration(default)"]
    assert live(fake, "BGPConfiguration/default")["spec"]["asNumber"] == 64513 and not run(fake, state="patched", resources=patches)["changed"]


def test_secrets_are_masked_in_the_diff(fake: FakeTool) -> None:
    resource = {**PEER, "spec": {**PEER["spec"], "password": "hunter2", "authSecret": "hunter3"}}
    text = json.dumps(run(fake, check=True, resources=[resource])["diff"])
    assert "hunter" not in text and 'password: \\"********' in text
    reference = {**PEER, "spec": {**PEER["spec"], "password": {"secretKeyRef": {"name": "bgp", "key": "rack0"}}}}
    assert "key: rack0" in run(fake, check=True, resources=[reference])["diff"][0]["after"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "needs resources"),
        ({"state": "absent"}, "needs resources or kind"),
        ({"resources": [PEER], "kind": "Node"}, "exclude each other"),
        ({"resources": [PEER], "timeout": 0}, "timeout is 0"),
        ({"resources": [{"kind": "BGPPeer"}]}, "resources[0] (BGPPeer): metadata.name is missing"),
        ({"resources": [{"metadata": {"name": "a"}}]}, "resources[0]: kind is missing"),
        ({"resources": [PEER, PEER]}, "BGPPeer(rack0) is listed twice"),
        ({"resources": [{**PEER, "apiVersion": "v1"}]}, "apiVersion is 'v1'"),
        ({"resources": [{**PEER, "spec": [1]}]}, "spec must be a dictionary, not list"),
        ({"resources": [{**PEER, "metadata": {"name": "a", "labels": "b"}}]}, "metadata.labels must be a dictionary"),
        ({"resources": [{**CONFIG, "metadata": {"name": "node.a"}}]}, "only be set on the BGPConfiguration named default"),
        ({"state": "patched", "kind": "BGPPeer", "name": "rack0"}, "patch must be a dictionary"),
        ({"state": "patched", "kind": "BGPPeer", "name": "rack0", "patch": {"spec": {"$patch": "replace"}}}, "$patch is not supported"),
        ({"state": "patched", "kind": "BGPPeer", "name": "nope", "patch": {"spec": {"asNumber": 1}}}, "BGPPeer(nope) does not exist"),
        ({"state": "patched", "kind": "BGPPeer", "patch": {"spec": {}}}, "name is missing"),
        ({"state": "absent", "kind": "BGPPeer"}, "name is missing"),
        ({"state": "query", "kind": "BGPPeer", "patch": {"a": 1}}, "patch goes with state=patched"),
        ({"state": "bogus"}, "value of state must be one of"),
        ({"resources": [PEER], "timeout": "soon"}, "unable to convert to float"),
        ({"resources": "peer"}, "Elements value for option 'resources'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_arguments_are_refused_with_a_clear_message_and_nothing_is_written(fake: FakeTool, arguments: dict[str, Any], told: str) -> None:
    before = fake.store
    failed = run(fake, **arguments)
    assert failed["failed"] and told in failed["msg"]
    assert fake.store == before and set(fake.verbs()) <= {"get"}


def test_unknown_kinds_are_left_to_calicoctl_to_judge(fake: FakeTool) -> None:
    failed = run(fake, resources=[{**PEER, "kind": "BGPPeerX"}])
    assert failed["reason"] == "unknown_kind" and "resource type 'BGPPeerX' is not supported" in failed["msg"]
