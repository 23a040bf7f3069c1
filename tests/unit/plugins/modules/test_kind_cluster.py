"""The module kind_cluster against a kind that behaves as the real one was measured to."""

from __future__ import annotations

import base64
import copy
import datetime
import ipaddress
import json
import socket
import ssl
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.leafspine.calico.plugins.modules import kind_cluster
from ansible_collections.leafspine.calico.tests.unit.plugins.modules.module_runner import FakeTool, run_module
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CONFIG: dict[str, Any] = {
    "kind": "Cluster",
    "apiVersion": "kind.x-k8s.io/v1alpha4",
    "networking": {"disableDefaultCNI": True, "podSubnet": "10.244.0.0/16"},
    "nodes": [{"role": "control-plane", "kubeadmConfigPatches": ["kind: InitConfiguration\nnodeRegistration: {}\n"]}, {"role": "worker"}, {"role": "worker"}],
}
NODES = ["lab-control-plane", "lab-worker", "lab-worker2"]


@pytest.fixture
def fake(tmp_path: Path) -> FakeTool:
    return FakeTool(tmp_path, "fake_kind.py")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "lab"


@pytest.fixture
def api(fake: FakeTool, tmp_path: Path) -> Iterator[str]:
    """A TLS server with its own authority; the fake's kubeconfigs name it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "api")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - datetime.timedelta(1), now + datetime.timedelta(1))
    certificate = builder.add_extension(names, False).add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (tmp_path / "api.pem").write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "api.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
                context.wrap_socket(plain, server_side=True).close()
            except ssl.SSLError:
                continue
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    server = f"https://127.0.0.1:{listener.getsockname()[1]}"
    (fake.folder / "access.json").write_text(json.dumps({"server": server, "authority": base64.b64encode(pem).decode()}))
    yield server
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def run(fake: FakeTool, directory: Path, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
    given = {"name": "lab", "kubeconfig": str(directory / "kubeconfig"), "executable": fake.executable, "api_timeout": 0, **arguments}
    if given.get("state") != "absent":
        given.setdefault("config", CONFIG)
    return run_module(kind_cluster.main, copy.deepcopy(given), check=check)


def words(fake: FakeTool) -> list[str]:
    return [" ".join(call["argv"][:2]) for call in fake.calls]


def test_created_once_and_then_left_alone(fake: FakeTool, directory: Path, api: str) -> None:
    first = run(fake, directory, environment={"KIND_EXPERIMENTAL_DOCKER_NETWORK": "kind-lab"}, image="kindest/node:v1", wait="30")
    assert first["changed"] and first["action"] == "create" and first["nodes"] == NODES
    assert first["server"] == api and first["api_reachable"] and first["api_error"] == "" and first["warnings"] == []
    create = next(call for call in fake.calls if call["argv"][0] == "create")
    assert create["network"] == "kind-lab" and create["argv"][-4:] == ["--image", "kindest/node:v1", "--wait", "30s"]
    assert yaml.safe_load((directory / "kind.yml").read_text()) == CONFIG
    for name in ("kubeconfig", "kind.yml", "kind.applied.json"):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600
    fake.forget()
    second = run(fake, directory, environment={"KIND_EXPERIMENTAL_DOCKER_NETWORK": "kind-lab"}, image="kindest/node:v1", wait="30")
    assert not second["changed"] and second["action"] == "none" and second["nodes"] == NODES and second["api_reachable"]
    assert second["diff"]["before"] == second["diff"]["after"] != "" and words(fake) == ["get nodes", "get kubeconfig"]


def test_check_mode_makes_nothing_and_foretells_the_run(fake: FakeTool, directory: Path) -> None:
    checked = run(fake, directory, check=True)
    assert checked["changed"] and checked["nodes"] == NODES and not directory.exists() and words(fake) == ["get nodes"] and not checked["api_reachable"]
    done = run(fake, directory)
    assert all(checked[key] == done[key] for key in ("changed", "action", "nodes", "diff", "reasons"))
    assert not run(fake, directory, check=True)["changed"]
    before = {path: path.read_text() for path in directory.iterdir()}
    gone = run(fake, directory, check=True, state="absent")
    assert gone["changed"] and {path: path.read_text() for path in directory.iterdir()} == before and "lab" in fake.store
    assert run(fake, directory, check=True, config={**CONFIG, "nodes": None}, recreate=True)["action"] == "recreate" and fake.store["lab"]["nodes"] == NODES


def test_check_mode_on_a_host_without_kind(fake: FakeTool, directory: Path) -> None:
    result = run(fake, directory, check=True, executable=["no-such-kind"])
    assert result["action"] == "create" and "not installed" in result["warnings"][0]
    failed = run(fake, directory, executable=["no-such-kind"])
    assert failed["reason"] == "executable_missing" and not directory.exists()


def test_another_configuration_is_refused_with_the_differences_and_done_on_demand(fake: FakeTool, directory: Path) -> None:
    run(fake, directory)
    other = copy.deepcopy(CONFIG)
    other["networking"]["podSubnet"] = "10.245.0.0/16"
    other["nodes"].pop()
    for check in (True, False):
        failed = run(fake, directory, config=other, check=check)
        assert failed["reason"] == "config_differs" and "networking.podSubnet: '10.244.0.0/16' -> '10.245.0.0/16'" in failed["msg"]
        assert "nodes[2]: {'role': 'worker'} -> (none)" in failed["differences"] and "recreate=true" in failed["hint"]
    assert fake.store["lab"]["nodes"] == NODES
    fake.forget()
    done = run(fake, directory, config=other, recreate=True)
    assert done["action"] == "recreate" and done["nodes"] == NODES[:2] and words(fake)[1:4] == ["delete cluster", "get nodes", "create cluster"]
    assert not run(fake, directory, config=other, recreate=True)["changed"]


@pytest.mark.parametrize("arguments", [{"image": "kindest/node:v2"}, {"environment": {"KIND_EXPERIMENTAL_DOCKER_NETWORK": "other"}}], ids=["image", "network"])
def test_image_and_network_belong_to_the_configuration(fake: FakeTool, directory: Path, arguments: dict[str, Any]) -> None:
    run(fake, directory)
    assert run(fake, directory, **arguments)["reason"] == "config_differs"


def test_the_same_configuration_written_otherwise_is_the_same(fake: FakeTool, directory: Path) -> None:
    run(fake, directory)
    text = "# a comment\n" + yaml.safe_dump({"name": "lab", **CONFIG})
    assert not run(fake, directory, config=text)["changed"]
    assert not run(fake, directory, config=json.dumps(CONFIG))["changed"]


def test_text_on_a_host_without_pyyaml_says_what_to_do(fake: FakeTool, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    failed = run(fake, directory, config=yaml.safe_dump(CONFIG))
    assert failed["reason"] == "bad_arguments" and "from_yaml" in failed["msg"] and fake.calls == []
    assert run(fake, directory, config=json.dumps(CONFIG))["action"] == "create"


def test_a_lost_node_makes_it_anew(fake: FakeTool, directory: Path) -> None:
    run(fake, directory)
    fake.store = {"lab": {"nodes": NODES[:2], "serial": 1}}
    result = run(fake, directory)
    assert result["action"] == "recreate" and result["reasons"] == ["node lab-worker2 is missing"] and fake.store["lab"]["nodes"] == NODES
    assert not run(fake, directory)["changed"]


def test_a_cluster_that_was_deleted_behind_our_back_is_created(fake: FakeTool, directory: Path) -> None:
    run(fake, directory)
    fake.store = {}
    assert run(fake, directory)["action"] == "create"


def test_a_cluster_of_somebody_else_is_not_deleted(fake: FakeTool, directory: Path) -> None:
    fake.store = {"lab": {"nodes": ["lab-control-plane"], "serial": 1}}
    failed = run(fake, directory)
    assert failed["reason"] == "config_differs" and "no record" in failed["msg"] and "lab" in fake.store
    assert run(fake, directory, recreate=True)["action"] == "recreate"


def test_nodes_that_are_not_configured_are_told(fake: FakeTool, directory: Path) -> None:
    run(fake, directory)
    fake.store = {"lab": {"nodes": [*NODES, "lab-worker3"], "serial": 1}}
    failed = run(fake, directory)
    assert failed["reason"] == "config_differs" and "lab-worker3" in failed["msg"]


def test_the_kubeconfig_is_exported_again_when_missing_outdated_or_open(fake: FakeTool, directory: Path) -> None:
    run(fake, directory)
    kubeconfig = directory / "kubeconfig"
    right = kubeconfig.read_text()
    kubeconfig.unlink()
    assert run(fake, directory, check=True)["action"] == "kubeconfig" and not kubeconfig.exists()
    result = run(fake, directory)
    assert result["action"] == "kubeconfig" and result["changed"] and kubeconfig.read_text() == right and "kubeconfig" in result["diff"]["after"]
    kubeconfig.write_text(right.replace("Y2VydA1", "b2xk"))
    assert run(fake, directory)["action"] == "kubeconfig" and kubeconfig.read_text() == right
    kubeconfig.chmod(0o644)
    assert run(fake, directory)["action"] == "kubeconfig" and stat.S_IMODE(kubeconfig.stat().st_mode) == 0o600
    assert not run(fake, directory)["changed"]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_kubeconfig_with_other_clusters_is_not_touched(fake: FakeTool, directory: Path, state: str) -> None:
    directory.mkdir()
    text = "contexts:\n- context:\n    cluster: production\n  name: production\n"
    (directory / "kubeconfig").write_text(text)
    failed = run(fake, directory, state=state)
    assert failed["reason"] == "foreign_kubeconfig" and "production" in failed["msg"]
    assert (directory / "kubeconfig").read_text() == text and set(words(fake)) <= {"get nodes"}


def test_two_clusters_in_one_folder_are_refused(fake: FakeTool, directory: Path) -> None:
    run(fake, directory)
    failed = run(fake, directory, name="other", kubeconfig=str(directory / "kubeconfig2"))
    assert failed["reason"] == "foreign_record" and "cluster lab" in failed["msg"]


def test_a_record_that_cannot_be_read_counts_as_none(fake: FakeTool, directory: Path) -> None:
    run(fake, directory)
    for text in ("{", "[]", '{"name": "lab"}', '{"bogus": 1}'):
        (directory / "kind.applied.json").write_text(text)
        failed = run(fake, directory)
        assert failed["reason"] == "config_differs" and "no record" in failed["msg"]


def test_force_recreate_always_does(fake: FakeTool, directory: Path) -> None:
    run(fake, directory)
    assert run(fake, directory, force_recreate=True)["action"] == "recreate"
    assert run(fake, directory, force_recreate=True)["changed"]


def test_absent_takes_cluster_and_files_away(fake: FakeTool, directory: Path) -> None:
    run(fake, directory)
    result = run(fake, directory, state="absent")
    assert result["changed"] and result["action"] == "delete" and fake.store == {} and list(directory.iterdir()) == []
    assert not run(fake, directory, state="absent")["changed"]
    assert not run(fake, directory, state="absent", executable=["no-such-kind"])["changed"]
    (directory / "kubeconfig").write_text("")
    assert run(fake, directory, state="absent", executable=["no-such-kind"])["reason"] == "executable_missing"


def test_a_deletion_that_leaves_nodes_is_a_failure(fake: FakeTool, directory: Path) -> None:
    run(fake, directory)
    fake.answers({"verb": "delete", "rc": 0})
    failed = run(fake, directory, state="absent")
    assert failed["reason"] == "wrong_nodes" and failed["nodes"] == NODES and (directory / "kubeconfig").exists()


def test_a_creation_that_succeeds_without_its_nodes_is_a_failure_and_is_repaired(fake: FakeTool, directory: Path) -> None:
    fake.answers({"verb": "create", "act": True, "lose": ["lab-worker2"]})
    failed = run(fake, directory)
    assert failed["reason"] == "wrong_nodes" and "lab-worker2" in failed["msg"]
    result = run(fake, directory)
    assert result["action"] == "recreate" and result["reasons"] == ["its creation was interrupted"] and not run(fake, directory)["changed"]


def test_a_creation_over_its_time_is_stopped_and_the_next_run_starts_over(fake: FakeTool, directory: Path) -> None:
    fake.answers({"verb": "create", "act": True, "sleep": 30, "stderr": " \u2713 Starting control-plane\n"})
    started = time.monotonic()
    failed = run(fake, directory, timeout=1.5)
    assert time.monotonic() - started < 15 and failed["reason"] == "timeout" and failed["rc"] is None and failed["leftover_nodes"] == NODES
    assert "Starting control-plane" in failed["msg"] and "timeout" in failed["hint"]
    assert run(fake, directory)["action"] == "recreate"


def test_logs_are_saved_from_a_failed_creation_and_then_its_nodes_deleted(fake: FakeTool, directory: Path, tmp_path: Path) -> None:
    fake.answers({"verb": "create", "act": True, "rc": 1, "stderr": "ERROR: failed to create cluster: failed to init node\n"})
    logs = tmp_path / "logs"
    failed = run(fake, directory, export_logs=str(logs))
    assert failed["logs"] == str(logs) and logs.is_dir() and failed["leftover_nodes"] == []
    assert words(fake) == ["get nodes", "create cluster", "export logs", "delete cluster", "get nodes"] and "--retain" in fake.calls[1]["argv"]
    fake.answers({"verb": "create", "act": True, "rc": 1, "stderr": "ERROR: failed to create cluster: failed to init node\n"})
    assert run(fake, directory, export_logs=str(logs), retain=True)["leftover_nodes"] == NODES


def test_an_api_server_that_is_gone_is_a_warning(fake: FakeTool, directory: Path, api: str) -> None:
    run(fake, directory)
    access = json.loads((fake.folder / "access.json").read_text())
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = f"https://127.0.0.1:{closed.getsockname()[1]}"
    (fake.folder / "access.json").write_text(json.dumps({**access, "server": dead}))
    result = run(fake, directory)
    assert not result["api_reachable"] and "refused" in result["api_error"] and "force_recreate" in result["warnings"][0]


def test_a_cluster_whose_api_server_is_gone_is_started_when_a_command_is_given(fake: FakeTool, directory: Path, api: str, tmp_path: Path) -> None:
    asked = tmp_path / "started"
    start = ["sh", "-c", 'echo "$@" >> "$0"', str(asked), "{name}!", "{nodes}"]
    run(fake, directory, start_command=start)
    # As wanted and answering: the command is not run.
    assert not run(fake, directory, start_command=start)["changed"] and not asked.exists()
    access = json.loads((fake.folder / "access.json").read_text())
    (fake.folder / "access.json").write_text(json.dumps({**access, "server": "https://127.0.0.1:1"}))
    run(fake, directory)
    assert run(fake, directory, check=True, start_command=start)["action"] == "start" and not asked.exists()
    result = run(fake, directory, start_command=start)
    assert result["changed"] and result["action"] == "start" and result["nodes"] == NODES
    assert asked.read_text() == "lab! lab-control-plane lab-worker lab-worker2\n"
    # It ran, but the server still does not answer.
    assert not result["api_reachable"] and "does not answer" in result["warnings"][0]
    failed = run(fake, directory, start_command=["sh", "-c", "echo no such container >&2; exit 1"])
    assert failed["reason"] == "not_started" and "no such container" in failed["msg"] and failed["rc"] == 1


def test_a_server_with_another_authority_is_not_this_cluster(fake: FakeTool, directory: Path, api: str) -> None:
    access = json.loads((fake.folder / "access.json").read_text())
    stranger = base64.b64encode(ssl.get_server_certificate(("127.0.0.1", int(api.rsplit(":", 1)[1]))).encode()[:-60]).decode()
    (fake.folder / "access.json").write_text(json.dumps({**access, "authority": stranger}))
    result = run(fake, directory)
    assert result["changed"] and not result["api_reachable"] and result["api_error"]


def test_the_form_that_kind_swallows_is_warned_of(fake: FakeTool, directory: Path) -> None:
    patch = 'apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\nnodeRegistration:\n  kubeletExtraArgs:\n  - name: node-ip\n    value: "10.1.5.10"\n'
    config = {**CONFIG, "nodes": [{"role": "control-plane", "kubeadmConfigPatches": [patch]}]}
    warnings = run(fake, directory, config=config)["warnings"]
    assert "config.nodes[0].kubeadmConfigPatches" in warnings[0] and "ignored in silence" in warnings[0]
    map_form = patch.replace("- name: node-ip\n    value:", "  node-ip:")
    sane = {**CONFIG, "nodes": [{"role": "control-plane", "kubeadmConfigPatches": [map_form]}]}
    assert not any("kubeadmConfigPatches" in text for text in run(fake, directory, check=True, config=sane, recreate=True)["warnings"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"name": "Bad_Name!"}, "'Bad_Name!' is not a valid cluster name"),
        ({"config": [1]}, "config must be a dictionary, not list"),
        ({"config": "a: [b"}, "config is not valid YAML"),
        ({"config": "just words"}, "config must be a dictionary, not str"),
        ({"config": {"kind": "Pod"}}, "must have kind: Cluster"),
        ({"config": {**CONFIG, "apiVersion": "kind.x-k8s.io/v1alpha3"}}, "kind.x-k8s.io/v1alpha4"),
        ({"config": {**CONFIG, "name": "other"}}, "config names the cluster 'other'"),
        ({"config": {**CONFIG, "nodes": {"a": 1}}}, "config.nodes must be a list"),
        ({"config": {**CONFIG, "nodes": [{"role": "master"}]}}, "config.nodes[0].role is 'master', it must be one of control-plane, worker"),
        ({"config": {**CONFIG, "nodes": [{"role": "worker"}]}}, "config.nodes has no control-plane"),
        ({"timeout": 0}, "timeout is 0"),
        ({"api_timeout": -1}, "api_timeout is -1"),
        ({"config": None}, "needs config"),
        ({"state": "started"}, "value of state must be one of"),
        ({"kubeconfig": "/proc/version/x"}, "/proc/version/kind.applied.json: Not a directory"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_arguments_are_refused_before_anything_is_done(fake: FakeTool, directory: Path, arguments: dict[str, Any], told: str) -> None:
    failed = run(fake, directory, **arguments)
    assert failed["failed"] and told in failed["msg"] and fake.store == {} and not directory.exists()
