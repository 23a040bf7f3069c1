"""Module lab_host: one look that finds everything that is in the way, and what of the lab answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible_collections.leafspine.calico.plugins.modules import lab_host


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture(autouse=True)
def machine(commands: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supported machine with disk, root, dpkg and a default route."""
    files = {
        "/etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
        "/proc/sys/fs/inotify/max_user_watches": "8192\n",
        "/proc/sys/net/ipv4/tcp_rmem": "4096 131072 6291456\n",
    }
    real = lab_host.read_text
    monkeypatch.setattr(lab_host, "read_text", lambda path: files.get(path, real(path) if path.startswith("/tmp") else None))
    monkeypatch.setattr(lab_host.os, "geteuid", lambda: 0)
    monkeypatch.setattr(lab_host.shutil, "disk_usage", lambda _path: Usage(10**10, 0, 5 * 10**9))
    monkeypatch.setattr(lab_host.shutil, "which", lambda name, path=None: f"/sbin/{name}")
    commands.answer("/sbin/ip -j -4 route show", [{"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"}])
    commands.answer("/sbin/dpkg-query -W", "frr installed\nbird2 not-installed\ncurl config-files\n")


@pytest.fixture
def args(tmp_path: Path) -> dict[str, Any]:
    return {"directory": str(tmp_path / "lab"), "environment": str(tmp_path / "venv"), "kubeconfig": str(tmp_path / "lab" / "kubeconfig"), "on_link": False}


@pytest.fixture
def service() -> Iterator[str]:
    """An address:port that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def deaf() -> str:
    """An address:port that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


# --- problems ------------------------------------------------------------------------------------------------------------

EVERYTHING = {
    "supported": {"debian": "12", "ubuntu": "24.04"},
    "disk_mb": 500,
    "subnets": [{"subnet": "172.20.20.0/24", "purpose": "management_subnet", "link": "lab"}],
}


def test_a_good_host_has_no_problems_and_nothing_is_changed(run_module: Any, args: Any) -> None:
    result = run_module(lab_host, **args, **EVERYTHING)
    assert (result["problems"], result["changed"]) == ([], False)
    assert not Path(args["directory"]).exists()


def test_all_problems_come_together_each_with_its_place(run_module: Any, commands: Any, args: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_host.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(lab_host.shutil, "disk_usage", lambda _path: Usage(10**9, 0, 499_999_999))
    commands.answer("/sbin/ip -j -4 route show", [{"dst": "172.20.0.0/16", "dev": "docker0"}])
    result = run_module(lab_host, **args, **{**EVERYTHING, "supported": {"ubuntu": "24.04"}})
    assert [problem.split(":")[0] for problem in result["problems"]] == ["user", "system", "disk", "management_subnet"]
    assert "uid 1000" in result["problems"][0]
    assert "499 MB free" in result["problems"][2]
    assert "500 MB are needed" in result["problems"][2]
    assert "failed" not in result


def test_what_is_not_asked_for_is_not_looked_at(run_module: Any, commands: Any, args: Any) -> None:
    result = run_module(lab_host, **args)
    assert result["problems"] == []
    assert commands.seen == []


def test_free_space_is_that_of_the_file_system_where_the_folder_will_be(run_module: Any, args: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(lab_host.shutil, "disk_usage", lambda path: asked.append(path) or Usage(0, 0, 10**10))
    run_module(lab_host, **{**args, "directory": str(tmp_path / "a" / "b" / "c")}, disk_mb=1)
    assert asked == [str(tmp_path)]


def test_a_relative_folder_ends_at_one_that_exists() -> None:
    assert lab_host.existing_parent("no-such-folder/lab") == str(Path.cwd())


# --- what is there -------------------------------------------------------------------------------------------------------


def test_packages_count_as_there_only_when_installed(run_module: Any, args: Any) -> None:
    result = run_module(lab_host, **args, packages=["bird2", "curl", "frr", "nftables"])
    assert result["state"]["missing_packages"] == ["bird2", "curl", "nftables"]


def test_without_dpkg_every_package_is_missing(run_module: Any, commands: Any, args: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_host.shutil, "which", lambda name, path=None: None)
    assert run_module(lab_host, **args, packages=["frr"])["state"]["missing_packages"] == ["frr"]
    assert commands.seen == []


def test_limits_are_read_and_the_low_ones_named(run_module: Any, args: Any) -> None:
    wanted = {"fs.inotify.max_user_watches": 65536, "net.ipv4.tcp_rmem": 4096, "fs.no_such_limit": 1}
    state = run_module(lab_host, **args, limits=wanted)["state"]
    assert state["limits"] == {"fs.inotify.max_user_watches": 8192, "net.ipv4.tcp_rmem": 4096, "fs.no_such_limit": None}
    assert state["raise_limits"] == {"fs.inotify.max_user_watches": 65536, "fs.no_such_limit": 1}


def test_the_environment_s_stamp(run_module: Any, args: Any) -> None:
    assert run_module(lab_host, **args)["state"]["environment"] is None
    Path(args["environment"]).mkdir()
    (Path(args["environment"]) / "leafspine.stamp").write_text("abc")
    assert run_module(lab_host, **args)["state"]["environment"] == "abc"


def test_routers_that_accept_and_that_refuse(run_module: Any, args: Any, service: str, deaf: str) -> None:
    result = run_module(lab_host, **args, routers={"leaf0": service, "leaf1": deaf})
    assert result["state"]["routers"] == {"leaf0": True, "leaf1": False}


def test_what_a_gateway_would_have_to_reach_is_not_asked(run_module: Any, args: Any, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_host, "is_on_link", lambda _address: False)
    monkeypatch.setattr(lab_host.socket, "create_connection", lambda *_args, **_more: pytest.fail("asked a stranger"))
    state = run_module(lab_host, **{**args, "on_link": True}, routers={"leaf0": service})["state"]
    assert state["routers"] == {"leaf0": False}


class Answer(NamedTuple):
    returncode: int
    stdout: str


@pytest.mark.parametrize(
    ("answer", "on_link"),
    [
        pytest.param(Answer(0, '[{"dst": "172.20.20.4", "dev": "lab"}]'), True, id="a link of the host"),
        pytest.param(Answer(0, '[{"dst": "172.20.20.4", "gateway": "192.0.2.1", "dev": "eth0"}]'), False, id="behind a gateway"),
        pytest.param(Answer(2, ""), False, id="unreachable"),
    ],
)
def test_on_link_is_what_the_kernel_says(answer: Answer, on_link: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_host.subprocess, "run", lambda *_args, **_more: answer)
    assert lab_host.is_on_link("172.20.20.4") is on_link


KUBECONFIG = """apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: aGVsbG8=
    server: {}
  name: kind-lab
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(KUBECONFIG.format("https://172.18.0.2:6443"), ("172.18.0.2", 6443), id="plain"),
        pytest.param(KUBECONFIG.format('"https://172.18.0.2:6443"'), ("172.18.0.2", 6443), id="quoted"),
        pytest.param('{"clusters": [{"cluster": {"server": "https://127.0.0.1:1"}}]}', ("127.0.0.1", 1), id="JSON"),
        pytest.param(KUBECONFIG.format("https://lab.example"), ("lab.example", 443), id="without a port"),
        pytest.param("clusters: []\n", None, id="without a server"),
        pytest.param(None, None, id="no file"),
    ],
)
def test_the_endpoint_in_a_kubeconfig(text: str | None, expected: tuple[str, int] | None, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text)
    assert lab_host.kubernetes_endpoint(str(path)) == expected


def test_a_cluster_is_there_when_its_server_accepts(run_module: Any, args: Any, service: str, deaf: str) -> None:
    assert run_module(lab_host, **args)["state"]["cluster"] is False
    Path(args["kubeconfig"]).parent.mkdir()
    for place, there in ((service, True), (deaf, False)):
        Path(args["kubeconfig"]).write_text(KUBECONFIG.format(f"https://{place}"))
        assert run_module(lab_host, **args)["state"]["cluster"] is there


def test_check_mode_sees_the_same(run_module: Any, args: Any, service: str) -> None:
    given = {**args, **EVERYTHING, "routers": {"leaf0": service}, "packages": ["frr", "bird2"]}
    assert run_module(lab_host, check=True, **given) == run_module(lab_host, **given)


# --- tools and the manifest ----------------------------------------------------------------------------------------------


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the PATH, with a kind that fits, an old containerlab and a docker without its daemon."""
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = {
        "kind": "echo kind v0.33.0 go1.25",
        "containerlab": "echo version: 0.59.0",
        "docker": "echo 'Cannot connect to the Docker daemon' >&2; exit 1",
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setattr(lab_host.shutil, "which", lambda name, path=None: str(folder / name) if (folder / name).exists() else None)
    return folder


WISHES = {
    "docker": {"get": "start it"},
    "kind": {"supported": ">=0.30,<1.0"},
    "containerlab": {"supported": ">=0.77,<1.0", "pinned": "0.79.0", "get": "see there", "url": "http://127.0.0.1/x"},
    "calicoctl": {"supported": ">=3.31", "get": "see elsewhere"},
}


def test_all_tools_that_are_missing_or_do_not_fit_are_named_at_once(run_module: Any, args: Any, tools: Path) -> None:
    result = run_module(lab_host, **args, tools=WISHES)
    assert [problem.split(":")[0] for problem in result["problems"]] == ["docker", "containerlab", "calicoctl"]
    assert [problem.rpartition("; ")[2] for problem in result["problems"]] == ["start it", "see there", "see elsewhere"]
    assert result["state"]["tools"]["kind"] == {"path": str(tools / "kind"), "version": "0.33.0", "error": None}
    assert result["state"]["tools"]["calicoctl"] == {"path": None, "version": None, "error": None}
    assert (result["state"]["install_tools"], result["changed"]) == ([], False)


def test_what_the_run_installs_is_no_problem_and_what_nobody_installs_stays_one(run_module: Any, args: Any, tools: Path) -> None:
    result = run_module(lab_host, **args, tools=WISHES, install_tools="release")
    assert result["state"]["install_tools"] == ["containerlab"]
    assert [problem.split(":")[0] for problem in result["problems"]] == ["docker", "calicoctl"]


def test_what_comes_with_the_run_may_be_missing_and_what_is_optional_is_a_warning(
    run_module: Any, args: Any, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(lab_host.AnsibleModule, "warn", lambda _module, text: warned.append(text))
    wishes = {"calicoctl": {"provided": True}, "kubectl": {"optional": True, "get": "see there"}}
    result = run_module(lab_host, **args, tools=wishes)
    assert result["problems"] == []
    assert warned == ["kubectl: not found; any version is needed; see there (optional)"]


def test_a_range_that_is_none_is_refused(run_module: Any, args: Any, tools: Path) -> None:
    result = run_module(lab_host, **args, tools={"kind": {"supported": "0.33"}})
    assert "tools: '0.33' is no condition on a version" in result["msg"]


@pytest.mark.parametrize(
    ("manifest", "sha256", "says"),
    [
        ("https://example.org/calico.yaml", "", "a URL without its SHA-256"),
        ("https://example.org/calico.yaml", "abc", "'abc' is no SHA-256"),
        ("/no/such/calico.yaml", "", "there is no file /no/such/calico.yaml"),
        ("https://example.org/calico.yaml", "a" * 64, ""),
        ("{folder}/embedded/calico.yaml", "", ""),
        ("", "", ""),
    ],
    ids=["URL alone", "no hash", "no file", "URL with its hash", "comes with the environment", "none"],
)
def test_the_manifest_is_there_or_can_be_verified(run_module: Any, args: Any, manifest: str, sha256: str, says: str) -> None:
    manifest = manifest.format(folder=Path(args["environment"]).parent)
    problems = run_module(lab_host, **args, manifest=manifest, manifest_sha256=sha256)["problems"]
    assert (len(problems), says in "".join(problems)) == (1 if says else 0, True)
