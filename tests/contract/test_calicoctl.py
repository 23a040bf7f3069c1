"""The calicoctl drop-in against what the real tool was measured to do: the rows are in data/calicoctl.yaml.

A row is a list of command lines on one fresh cluster (four nodes, Calico's definitions, its defaults). Each is compared in exit code,
standard output and standard error; `{server}` stands for the API's address. The suffix _has asks for a part only, _matches for a regular
expression; what is not named must be empty.
"""

from __future__ import annotations

import io
import os
import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from leafspine_embedded.calico import datastore
from leafspine_embedded.calicoctl import cli
from leafspine_embedded.kube.resources import NODES
from leafspine_embedded.kube.store import Store

from tests.contract.calicoctl_api import LocalApi

DATA = Path(__file__).parent / "data" / "calicoctl.yaml"
ROWS: dict[str, Any] = yaml.safe_load(DATA.read_text())
SERVERS = {"control-plane": ("10.1.5.10", "rack0"), "worker": ("10.1.5.11", "rack0"), "worker2": ("10.1.8.10", "rack1"), "worker3": ("10.1.8.11", "rack1")}


def lab(store: Store) -> None:
    """What a cluster has after calico-node has started on every node."""
    for suffix, (address, rack) in SERVERS.items():
        name = f"clab-calico-bgp-rr-{suffix}"
        annotations = {"projectcalico.org/IPv4Address": f"{address}/24", "node.alpha.kubernetes.io/ttl": "0"}
        status = {"addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}]}
        store.create(
            NODES, {"metadata": {"name": name, "labels": {"rack": rack}, "annotations": annotations}, "spec": {"podCIDRs": ["10.244.0.0/24"]}, "status": status}
        )
    information = {"calicoVersion": "v3.31.0", "clusterGUID": "0" * 32, "clusterType": "k8s,bgp,kubeadm,kdd", "datastoreReady": True}
    datastore.create(store, "clusterinformations", "default", information)
    pool = {"cidr": "10.244.0.0/16", "blockSize": 26, "ipipMode": "Never", "vxlanMode": "Never", "natOutgoing": True, "nodeSelector": "all()"}
    datastore.create(store, "ippools", "default-ipv4-ippool", {**pool, "allowedUses": ["Workload", "Tunnel"], "assignmentMode": "Automatic"})


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApi]:
    server = LocalApi(tmp_path_factory.mktemp("api"))
    yield server
    server.close()


@pytest.fixture
def home(api: LocalApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a kubeconfig, and an environment without the caller's own settings."""
    api.reset()
    api.call(lab)
    for name in list(os.environ):
        if name.startswith(("CALICO_", "ETCD_", "K8S_")) or name in ("DATASTORE_TYPE", "KUBECONFIG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DATASTORE_TYPE", "kubernetes")
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path / "kubeconfig")))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compare(step: dict[str, Any], stream: str, text: str, server: str) -> None:
    where = f"{step['command']}: {stream}"
    expected = {key: str(step[key]).replace("{server}", server) for key in (stream, f"{stream}_has", f"{stream}_matches") if key in step}
    if f"{stream}_has" in expected:
        assert expected[f"{stream}_has"].rstrip("\n") in text, where
    if f"{stream}_matches" in expected:
        assert re.fullmatch(expected[f"{stream}_matches"].rstrip("\n"), text.rstrip("\n"), re.DOTALL), f"{where}:\n{text}"
    if stream in expected or not expected:
        assert text.rstrip("\n") == expected.get(stream, "").rstrip("\n"), where


def change(api: LocalApi, what: str) -> None:
    """Things that happen to a cluster between two commands."""

    def lock(store: Store) -> None:
        obj = datastore.find(store, "clusterinformations", "default")
        assert obj is not None
        obj["spec"]["calicoVersion"] = "v3.30.0"
        datastore.update(store, "clusterinformations", obj)

    def heartbeat(store: Store) -> None:
        for obj in store.list(NODES):
            obj["status"]["conditions"] = [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}]
            store.update(NODES, obj, subresource="status")

    if what == "without calico":
        api.reset(calico=False)
    else:
        api.call({"another version": lock, "heartbeat": heartbeat}[what])


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str, api: LocalApi, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    row = ROWS[name]
    for path, text in row.get("files", {}).items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text)
    for step in row["steps"]:
        if "change" in step:
            change(api, step["change"])
            continue
        with monkeypatch.context() as context:
            for key, value in step.get("env", {}).items():
                context.delenv(key, raising=False) if value is None else context.setenv(key, value)
            if "server" in step:
                api.kubeconfig(home / "other", step["server"])
                context.setenv("KUBECONFIG", str(home / "other"))
            context.setattr(sys, "stdin", io.StringIO(step.get("stdin", "")))
            code = cli.main(shlex.split(step["command"])[1:])
        out, err = capsys.readouterr()
        server = step.get("server", api.server)
        assert code == step.get("rc", 0), f"{step['command']}: {out}{err}"
        compare(step, "stdout", out, server)
        compare(step, "stderr", err, server)
        if "save" in step:
            (home / step["save"]).write_text(out)


def test_it_starts_fast(home: Path) -> None:
    """A real process, from nothing to an answer over TLS. Processor time, the best of five: a busy machine must not decide."""
    argv = [sys.executable, "-m", "leafspine_embedded.calicoctl.cli", "get", "ippool"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "embedded" / "src")}
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert (done.returncode, done.stderr) == (0, "")
        assert "default-ipv4-ippool" in done.stdout
    assert min(times) < 0.3, times


def test_it_loads_nothing_heavy() -> None:
    """What makes a Python command slow to start, and what this one has no use for."""
    program = (
        "import sys; from leafspine_embedded.calicoctl import cli, crud, ipam; import http.client, ssl; "
        "print(*sorted({'asyncio', 'aiohttp', 'kubernetes', 'argparse', 'jinja2', 'jsonschema', 'pyroute2', 'requests'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "embedded" / "src")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True, env=environment)
    assert done.stdout.strip() == ""
