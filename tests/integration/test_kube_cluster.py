"""A cluster of the kind drop-in on this host: the real kubectl, the Python client, kubernetes.core, and everything that can be killed.

The engine's state is under a run root of the test's own, so a lab that runs on the machine is not touched.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from leafspine_embedded.common import netns
from leafspine_embedded.kind import network

pytestmark = pytest.mark.root

SOURCE = Path(__file__).parents[2] / "embedded" / "src"
ROOT = Path(f"/run/leafspine-tc-{os.getpid()}")
NAME = f"tc-{os.getpid() % 100000}"
NODES = [f"{NAME}-control-plane", f"{NAME}-worker", f"{NAME}-worker2"]
WORKER_ADDRESS = "10.1.5.11"
PATCH = yaml.safe_dump({"kind": "JoinConfiguration", "nodeRegistration": {"kubeletExtraArgs": {"node-ip": WORKER_ADDRESS, "node-labels": "rack=rack0"}}})
CONFIG = yaml.safe_dump(
    {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"disableDefaultCNI": True},
        "nodes": [{"role": "control-plane"}, {"role": "worker", "kubeadmConfigPatches": [PATCH]}, {"role": "worker"}],
    }
)
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "tool", "namespace": "default"},
    "spec": {
        "hostNetwork": True,
        "nodeName": NODES[2],
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "image": "pause", "command": ["sh", "-c", "echo started; exec sleep 1000"]}],
    },
}
DAEMONSET = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "app", "namespace": "default"},
    "spec": {
        "selector": {"matchLabels": {"app": "app"}},
        "template": {"metadata": {"labels": {"app": "app"}}, "spec": {"nodeSelector": {"no": "where"}, "containers": [{"name": "c", "image": "pause"}]}},
    },
}


class Cluster:
    """Command lines against the run root of these tests."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self.env = {**os.environ, "LEAFSPINE_RUN": str(ROOT), "PYTHONPATH": str(SOURCE), "KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)}
        self.env.pop("KIND_EXPERIMENTAL_DOCKER_NETWORK", None)

    def python(self, module: str, *words: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([sys.executable, "-m", module, *words], input=stdin, env=self.env, capture_output=True, text=True, timeout=60, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done

    def kind(self, *words: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.python("leafspine_embedded.kind.cli", *words, stdin=stdin, check=check)

    def kubectl(self, *words: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        program = shutil.which("kubectl")
        assert program, "these tests need kubectl"
        done = subprocess.run([program, *words], input=stdin, env=self.env, capture_output=True, text=True, timeout=60, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done

    def get(self, *words: str) -> Any:
        return json.loads(self.kubectl("get", *words, "-o", "json").stdout)

    def server(self) -> int:
        """The process id of the server (its supervisor is another)."""
        wanted = f"leafspine_embedded.kube.server\0{ROOT}/clusters/{NAME}\0".encode()
        found = [
            int(entry)
            for entry in os.listdir("/proc")
            if entry.isdigit() and _command(entry).endswith(wanted) and _command(entry).startswith(b"/bin/sh") is False
        ]
        assert len(found) == 1, found
        return found[0]

    def supervisor(self) -> int:
        return int((ROOT / "clusters" / NAME / "server.pid").read_text().split()[0])

    def address(self) -> str:
        return str(re.search(r"server: https://([0-9.]+):6443", self.kubeconfig.read_text())[1])  # type: ignore[index]


def _command(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def until(check: Callable[[], Any], what: str, seconds: float = 10.0) -> Any:
    began = time.monotonic()
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() - began < seconds, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)


def leftovers(name: str = NAME) -> list[str]:
    """What of a cluster is on the host."""
    found = [f"namespace {node}" for node in os.listdir("/run/netns") if node.startswith(f"{name}-")] if Path("/run/netns").exists() else []
    links = [network.bridge_name(name), *(network.port_name(name, index) for index in range(4))]
    found.extend(f"link {link}" for link in links if network.exists(link))
    found.extend(f"process {pid}" for pid in os.listdir("/proc") if pid.isdigit() and f"{ROOT}/clusters/{name}\0".encode() in _command(pid))
    found.extend(str(path) for path in ROOT.rglob("*") if path.name == name)
    return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("kube") / "kubeconfig")
    done = made.kind("create", "cluster", "--name", NAME, "--config", "-", "--kubeconfig", str(made.kubeconfig), stdin=CONFIG)
    made.said = done.stderr  # type: ignore[attr-defined]
    yield made
    made.kind("delete", "cluster", "--name", NAME, "--kubeconfig", str(made.kubeconfig))
    assert leftovers() == [] and not ROOT.exists()
    assert not yaml.safe_load(made.kubeconfig.read_text())["clusters"]


@pytest.fixture
def pod(cluster: Cluster) -> Iterator[str]:
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(POD))
    cluster.kubectl("wait", "--for=condition=Ready", "pod/tool", "--timeout=15s")
    yield "tool"
    cluster.kubectl("delete", "pod", "tool", "--ignore-not-found")


def test_create_says_what_kind_says(cluster: Cluster) -> None:
    said: str = cluster.said  # type: ignore[attr-defined]
    assert said.startswith(f'Creating cluster "{NAME}" ...\n') and " ✓ Joining worker nodes 🚜\n" in said
    assert f'Set kubectl context to "kind-{NAME}"' in said
    assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert cluster.kind("get", "nodes", "--name", NAME).stdout.split() == NODES
    assert cluster.kind("create", "cluster", "--name", NAME, "--config", "-", stdin=CONFIG, check=False).returncode == 1


def test_a_fresh_cluster_holds_what_a_real_one_holds(cluster: Cluster) -> None:
    names = [entry["metadata"]["name"] for entry in cluster.get("namespaces")["items"]]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
    assert cluster.get("service", "kubernetes")["spec"]["clusterIP"] == "10.96.0.1"
    assert cluster.get("endpointslice", "kubernetes")["endpoints"][0]["addresses"] == [cluster.address()]
    assert cluster.get("serviceaccount", "default", "-n", "kube-system")["metadata"]["name"] == "default"
    nodes = {entry["metadata"]["name"]: entry for entry in cluster.get("nodes")["items"]}
    assert {name: entry["spec"]["podCIDR"] for name, entry in nodes.items()} == dict(
        zip(NODES, ("10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"), strict=True)
    )
    assert nodes[NODES[1]]["metadata"]["labels"]["rack"] == "rack0" and "rack" not in nodes[NODES[2]]["metadata"]["labels"]
    ready = {entry["type"]: entry for entry in nodes[NODES[0]]["status"]["conditions"]}["Ready"]
    assert ready["status"] == "False" and "cni plugin not initialized" in ready["message"]


def test_a_nodes_address_follows_its_interfaces(cluster: Cluster) -> None:
    def internal() -> list[str]:
        return [entry["address"] for entry in cluster.get("node", NODES[1])["status"]["addresses"] if entry["type"] == "InternalIP"]

    assert internal() == []
    change = [*netns.prefix(NODES[1]), "ip", "address"]
    subprocess.run([*change, "add", f"{WORKER_ADDRESS}/24", "dev", "lo"], check=True)
    until(lambda: internal() == [WORKER_ADDRESS], "the address in the API", 2.0)
    subprocess.run([*change, "del", f"{WORKER_ADDRESS}/24", "dev", "lo"], check=True)
    until(lambda: internal() == [], "the address gone from the API", 2.0)


def test_the_namespace_of_a_node_forwards_and_has_only_its_network(cluster: Cluster) -> None:
    def inside(*words: str) -> str:
        return subprocess.run([*netns.prefix(NODES[2]), *words], capture_output=True, text=True, check=True).stdout

    assert inside("sysctl", "-n", "net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter").split() == ["1", "2"]
    routes = [route["dst"] for route in json.loads(inside("ip", "-j", "route"))]
    assert len(routes) == 1 and routes[0].endswith("/16")
    assert [link["ifname"] for link in json.loads(inside("ip", "-j", "link")) if "UP" in link["flags"]] == ["lo", "eth0"]


def test_only_the_clusters_own_certificates_get_in(cluster: Cluster, tmp_path: Path) -> None:
    from leafspine_embedded.kind import certs

    def ask(pair: certs.Pair | None) -> str:
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        if pair is not None:
            (tmp_path / "pem").write_text(pair.certificate + pair.key)
            trust.load_cert_chain(tmp_path / "pem")
        with socket.create_connection((cluster.address(), 6443), timeout=5) as plain, trust.wrap_socket(plain) as secure:
            secure.sendall(b"GET /api/v1/secrets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return secure.recv(64).decode().partition("\r\n")[0]

    pki = ROOT / "clusters" / NAME / "pki"
    assert ask(certs.Pair((pki / "admin.crt").read_text(), (pki / "admin.key").read_text())) == "HTTP/1.1 200 OK"
    assert ask(None) == "HTTP/1.1 401 Unauthorized"
    try:
        answer = ask(certs.client(certs.authority(), "kubernetes-admin", "system:masters"))
    except (ssl.SSLError, ConnectionError):
        answer = ""
    assert answer == ""
    host = cluster.address().rpartition(".")[0] + ".1"
    with pytest.raises(ConnectionRefusedError), socket.create_connection((host, 6443), timeout=1):  # it listens on the control plane's own address only
        pass
    assert {path.stat().st_mode & 0o777 for path in pki.iterdir()} == {0o600}


def test_kubectl_applies_compares_refuses_and_deletes(cluster: Cluster) -> None:
    text = json.dumps(DAEMONSET)
    assert cluster.kubectl("apply", "-f", "-", stdin=text).stdout == "daemonset.apps/app created\n"
    assert cluster.kubectl("apply", "-f", "-", stdin=text).stdout == "daemonset.apps/app unchanged\n"
    assert cluster.kubectl("diff", "-f", "-", stdin=text).returncode == 0
    changed = text.replace('"pause"', '"nettool"')
    assert cluster.kubectl("diff", "-f", "-", stdin=changed, check=False).returncode == 1
    assert cluster.kubectl("apply", "-f", "-", stdin=changed).stdout == "daemonset.apps/app configured\n"
    refused = cluster.kubectl("create", "-f", "-", stdin=text.replace('"image"', '"imagex"').replace('"app", "namespace"', '"bpp", "namespace"'), check=False)
    assert refused.returncode == 1 and 'strict decoding error: unknown field "spec.template.spec.containers[0].imagex"' in refused.stderr
    assert "1.3" in cluster.kubectl("version").stdout
    assert "Server-side apply not available" in cluster.kubectl("apply", "--server-side", "-f", "-", stdin=text, check=False).stderr
    assert cluster.kubectl("delete", "daemonset", "app").returncode == 0
    assert 'daemonsets.apps "app" not found' in cluster.kubectl("get", "daemonset", "app", check=False).stderr


def test_kubectls_typed_commands_reach_the_api(cluster: Cluster) -> None:
    cluster.kubectl("create", "namespace", "tcx")
    cluster.kubectl("create", "configmap", "c", "--from-literal=a=b", "-n", "tcx")
    assert cluster.get("configmap", "c", "-n", "tcx")["data"] == {"a": "b"}
    assert cluster.kubectl("auth", "can-i", "create", "pods").stdout == "yes\n"
    assert cluster.kubectl("auth", "can-i", "create", "pods", "--as=bob", check=False).stdout == "no\n"
    cluster.kubectl("delete", "namespace", "tcx", "--timeout=10s")
    assert cluster.kubectl("get", "namespace", "tcx", check=False).returncode == 1


def test_labels_taints_and_cordon(cluster: Cluster) -> None:
    node = NODES[0]
    cluster.kubectl("taint", "nodes", node, "node-role.kubernetes.io/control-plane-")
    keys = [taint["key"] for taint in cluster.get("node", node)["spec"].get("taints", [])]
    assert "node-role.kubernetes.io/control-plane" not in keys
    cluster.kubectl("cordon", node)
    assert "SchedulingDisabled" in cluster.kubectl("get", "node", node).stdout
    cluster.kubectl("uncordon", node)
    cluster.kubectl("label", "node", node, "x=y")
    assert cluster.kubectl("get", "nodes", "-l", "x=y", "-o", "name").stdout == f"node/{node}\n"
    cluster.kubectl("label", "node", node, "x-")


def test_exec_and_logs_with_kubectl(cluster: Cluster, pod: str) -> None:
    done = cluster.kubectl("exec", pod, "--", "sh", "-c", "echo out; echo err >&2; exit 3", check=False)
    assert (done.returncode, done.stdout) == (3, "out\n") and done.stderr.startswith("err\n")
    assert cluster.kubectl("exec", "-i", pod, "--", "wc", "-c", stdin="x" * 300_000).stdout.strip() == "300000"
    assert len(cluster.kubectl("exec", pod, "--", "sh", "-c", "yes | head -c 5000000").stdout) == 5_000_000
    assert cluster.kubectl("logs", pod).stdout == "started\n"
    assert "container nosuch is not valid" in cluster.kubectl("exec", pod, "-c", "nosuch", "--", "id", check=False).stderr


def test_exec_with_the_python_client_ends_without_waiting(cluster: Cluster, pod: str) -> None:
    script = f"""
import time
from kubernetes import client, config
from kubernetes.stream import stream
config.load_kube_config()
shell = stream(client.CoreV1Api().connect_get_namespaced_pod_exec, "{pod}", "default", command=["sh", "-c", "echo o; exit 4"], stdout=True, stderr=True,
               stdin=False, tty=False, _preload_content=False)
while shell.is_open():
    shell.update(timeout=5)
print(repr(shell.read_stdout()), shell.returncode)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], env=cluster.env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "'o\\n' 4\n"


PLAY = """
- hosts: localhost
  gather_facts: false
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks:
    - {name: create, kubernetes.core.k8s: {definition: "{{ definition }}", apply: true}, register: first}
    - {name: again, kubernetes.core.k8s: {definition: "{{ definition }}", apply: true}, register: second}
    - {name: exec, kubernetes.core.k8s_exec: {namespace: default, pod: tool, command: "sh -c 'echo hi; exit 3'"}, register: run, failed_when: run.rc != 3}
    - {name: info, kubernetes.core.k8s_info: {kind: Node}, register: nodes}
    - {name: gone, kubernetes.core.k8s: {definition: "{{ definition }}", state: absent, wait: true}, register: third}
    - name: as expected
      ansible.builtin.assert:
        that:
          - first is changed
          - second is not changed
          - third is changed
          - run.stdout == "hi\\n"
          - nodes.resources | length == 3
"""


def test_kubernetes_core_modules(cluster: Cluster, pod: str, tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(PLAY)
    program = Path(sys.executable).with_name("ansible-playbook")
    variables = json.dumps({"definition": DAEMONSET})
    done = subprocess.run([program, "play.yml", "-e", variables], cwd=tmp_path, env=cluster.env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_process_stays_small(cluster: Cluster, pod: str) -> None:
    status = Path(f"/proc/{cluster.server()}/status").read_text()
    assert int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) < 70_000  # type: ignore[index]


def test_a_killed_server_comes_back_with_everything(cluster: Cluster, pod: str) -> None:
    cluster.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    before = cluster.get("configmap", "kept")
    running = cluster.get("pod", pod)["status"]["containerStatuses"][0]["containerID"]
    os.kill(cluster.server(), signal.SIGKILL)
    until(lambda: cluster.kubectl("get", "--raw", "/readyz", check=False).returncode == 0, "the server after SIGKILL")
    assert cluster.get("configmap", "kept") == before
    assert until(lambda: cluster.get("pod", pod)["status"]["containerStatuses"], "the pod's status")[0]["containerID"] == running
    cluster.kubectl("delete", "configmap", "kept")


def test_revive_repairs_what_is_broken_and_nothing_else(cluster: Cluster) -> None:
    revive = "leafspine_embedded.kind.revive"
    assert cluster.python(revive, NAME).stdout == ""
    uid = cluster.get("namespace", "default")["metadata"]["uid"]
    os.kill(cluster.supervisor(), signal.SIGKILL)
    until(
        lambda: f"{ROOT}/clusters/{NAME}\0".encode() not in b"".join(_command(pid) for pid in os.listdir("/proc") if pid.isdigit()),
        "the server gone with its supervisor",
    )
    assert cluster.python(revive, NAME).stdout == "repaired: API server\n"
    netns.delete(NODES[1])
    assert cluster.python(revive, NAME).stdout == f"repaired: node {NODES[1]}\n"
    netns.delete(NODES[0])
    subprocess.run(["ip", "link", "del", network.bridge_name(NAME)], check=True)
    assert cluster.python(revive, NAME).stdout.split("\n")[0] == f"repaired: bridge {network.bridge_name(NAME)}"
    assert cluster.get("namespace", "default")["metadata"]["uid"] == uid
    assert cluster.python(revive, NAME).stdout == ""
    assert cluster.python(revive, "tc-nosuch", check=False).returncode == 1


def test_two_clusters_side_by_side(cluster: Cluster, tmp_path: Path) -> None:
    other = NAME + "b"
    cluster.kind(
        "create", "cluster", "--name", other, "--config", "-", "--kubeconfig", str(tmp_path / "other"), stdin=CONFIG.replace(WORKER_ADDRESS, "10.9.9.9")
    )
    try:
        assert cluster.kind("get", "clusters").stdout.split() == sorted([NAME, other])
        mine, theirs = (re.search(r"https://([0-9.]+):", path.read_text())[1] for path in (cluster.kubeconfig, tmp_path / "other"))  # type: ignore[index]
        assert mine.split(".")[1] != theirs.split(".")[1]
    finally:
        cluster.kind("delete", "cluster", "--name", other, "--kubeconfig", str(tmp_path / "other"))
    assert leftovers(other) == []
    assert len(cluster.get("nodes")["items"]) == 3


def test_of_two_creations_at_once_one_wins(cluster: Cluster, tmp_path: Path) -> None:
    other = NAME + "c"
    words = ("create", "cluster", "--name", other, "--config", "-", "--kubeconfig", str(tmp_path / "other"))
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: cluster.kind(*words, stdin=CONFIG, check=False), range(2)))
    assert sorted(entry.returncode for entry in done) == [0, 1]
    assert any(f'node(s) already exist for a cluster with the name "{other}"' in entry.stderr for entry in done)
    cluster.kind("delete", "cluster", "--name", other, "--kubeconfig", str(tmp_path / "other"))
    assert leftovers(other) == []


@pytest.mark.parametrize("round_", range(6))
def test_a_creation_killed_anywhere_is_deleted_completely(cluster: Cluster, tmp_path: Path, round_: int) -> None:
    other = NAME + "k"
    words = [
        sys.executable,
        "-m",
        "leafspine_embedded.kind.cli",
        "create",
        "cluster",
        "--name",
        other,
        "--config",
        "-",
        "--kubeconfig",
        str(tmp_path / "other"),
    ]
    child = subprocess.Popen(words, env=cluster.env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    assert child.stdin is not None
    child.stdin.write(CONFIG)
    child.stdin.close()
    time.sleep(random.Random(round_).uniform(0.15, 1.0))
    child.kill()
    child.wait()
    cluster.kind("delete", "cluster", "--name", other, "--kubeconfig", str(tmp_path / "other"))
    until(lambda: leftovers(other) == [], "nothing left", 3.0)
