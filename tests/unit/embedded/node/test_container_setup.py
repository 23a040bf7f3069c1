"""Environment, mounts, rights, files: what a container is given."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from leafspine_embedded.node.kubelet import env, mounts, settings, volumes, wiring
from leafspine_embedded.node.kubelet.env import ConfigError

POD: dict[str, Any] = {
    "metadata": {"name": "app-x", "namespace": "default", "uid": "u1", "labels": {"app": "app"}},
    "spec": {"nodeName": "n1", "serviceAccountName": "default", "containers": [{"name": "c", "image": "nettool"}]},
    "status": {"podIP": "10.131.128.1", "hostIP": "10.131.5.10", "podIPs": [{"ip": "10.131.128.1"}]},
}
OBJECTS = {("ConfigMap", "c"): {"data": {"k": "v", "no good": "x"}}, ("Secret", "s"): {"data": {"k": base64.b64encode(b"hush").decode()}}}


def lookup(kind: str, name: str) -> Any:
    return OBJECTS.get((kind, name))


def environment(*entries: dict[str, Any], **more: Any) -> dict[str, str]:
    return env.environment(POD, {"name": "c", "env": list(entries), **more}, lookup, {"FROM_IMAGE": "1"}, {"SVC": "2"})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "app-x"),
        ("metadata.namespace", "default"),
        ("metadata.uid", "u1"),
        ("spec.nodeName", "n1"),
        ("spec.serviceAccountName", "default"),
        ("status.podIP", "10.131.128.1"),
        ("status.hostIP", "10.131.5.10"),
        ("status.podIPs", "10.131.128.1"),
        ("metadata.labels['app']", "app"),
        ("metadata.annotations['none']", ""),
    ],
)
def test_downward_api(path: str, value: str) -> None:
    assert environment({"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}})["X"] == value


def test_unknown_field_paths_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"unsupported fieldPath: spec\.containers"):
        environment({"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "spec.containers"}}})
    with pytest.raises(ConfigError, match="resourceFieldRef is not supported"):
        environment({"name": "X", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}})


def test_values_from_configmap_and_secret() -> None:
    reference = {"configMapKeyRef": {"name": "c", "key": "k"}}
    told = environment({"name": "A", "valueFrom": reference}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}})
    assert (told["A"], told["B"], told["FROM_IMAGE"], told["SVC"], told["HOSTNAME"]) == ("v", "hush", "1", "2", "app-x")
    assert environment(envFrom=[{"prefix": "P_", "configMapRef": {"name": "c"}}])["P_k"] == "v"
    assert "no good" not in environment(envFrom=[{"configMapRef": {"name": "c"}}])


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"configMapKeyRef": {"name": "none", "key": "k"}}, 'configmap "none" not found'),
        ({"secretKeyRef": {"name": "s", "key": "other"}}, "couldn't find key other in Secret default/s"),
    ],
)
def test_what_is_missing_is_named_unless_optional(reference: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        environment({"name": "X", "valueFrom": reference})
    optional = {kind: {**body, "optional": True} for kind, body in reference.items()}
    assert "X" not in environment({"name": "X", "valueFrom": optional})


@pytest.mark.parametrize(
    ("text", "expanded"),
    [("$(A)", "1"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("$A $$", "$A $"), ("x$(A)y$(A)", "x1y1"), ("$(", "$("), ("", "")],
)
def test_expansion(text: str, expanded: str) -> None:
    assert env.expand(text, {"A": "1"}) == expanded


@pytest.mark.parametrize(
    ("container", "argv"),
    [
        ({}, ["/run", "-d"]),
        ({"args": ["-x"]}, ["/run", "-x"]),
        ({"command": ["sh", "-c"]}, ["sh", "-c"]),
        ({"command": ["sh"], "args": ["$(A)"]}, ["sh", "1"]),
    ],
)
def test_command_and_args_replace_the_image_s(container: dict[str, Any], argv: list[str]) -> None:
    assert env.command_line(container, ("/run",), ("-d",), {"A": "1"}) == argv


def test_an_image_without_command_needs_one() -> None:
    with pytest.raises(ConfigError, match="no command specified"):
        env.command_line({}, (), (), {})


def test_service_variables() -> None:
    services = [
        {"metadata": {"namespace": "default", "name": "kubernetes"}, "spec": {"clusterIP": "10.131.64.1", "ports": [{"name": "https", "port": 443}]}},
        {"metadata": {"namespace": "x", "name": "my-app"}, "spec": {"clusterIP": "10.131.64.2", "ports": [{"port": 80}]}},
        {"metadata": {"namespace": "x", "name": "headless"}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}},
    ]
    assert env.service_links(services, "x", True) == {
        "KUBERNETES_SERVICE_HOST": "10.131.64.1",
        "KUBERNETES_SERVICE_PORT": "443",
        "KUBERNETES_SERVICE_PORT_HTTPS": "443",
        "MY_APP_SERVICE_HOST": "10.131.64.2",
        "MY_APP_SERVICE_PORT": "80",
    }
    assert "MY_APP_SERVICE_HOST" not in env.service_links(services, "x", False)


def names(numbers: list[int]) -> set[str]:
    return {name for name, number in mounts.CAPABILITIES.items() if number in numbers}


def test_capabilities() -> None:
    assert names(mounts.capabilities(False)) == set(mounts.DEFAULT)
    assert names(mounts.capabilities(False, ["NET_ADMIN"], ["CAP_NET_RAW"])) == set(mounts.DEFAULT) - {"NET_RAW"} | {"NET_ADMIN"}
    assert names(mounts.capabilities(False, ["NET_BIND_SERVICE"], ["ALL"])) == {"NET_BIND_SERVICE"}
    assert names(mounts.capabilities(True)) == set(mounts.CAPABILITIES) - mounts.NEVER
    assert not names(mounts.capabilities(False, ["ALL"])) & mounts.NEVER
    with pytest.raises(ValueError, match="unknown capability: NONSENSE"):
        mounts.capabilities(False, ["NONSENSE"])


def test_a_container_sees_programs_and_nothing_of_the_machine_s_own() -> None:
    plan = mounts.plan(privileged=False, etc={"hosts": "/x/hosts"})
    bound = {entry["source"] for entry in plan if entry["kind"] == "bind"}
    assert "/usr" in bound and "/x/hosts" in bound
    assert not [
        source for source in bound if source.startswith(("/run", "/var", "/home", "/etc/shadow", "/etc/passwd")) or source in ("/", "/root", "/etc", "/dev")
    ]
    assert all(entry["read_only"] for entry in plan if entry["kind"] == "bind" and entry["source"].startswith("/usr"))
    assert {"kind": "read-only", "target": "/proc/sys"} in plan
    strong = mounts.plan(privileged=True, etc={})
    assert {"kind": "read-only", "target": "/proc/sys"} not in strong and {"kind": "read-only", "target": "/proc/sys/kernel"} in strong


def test_security_context() -> None:
    pod = {**POD, "spec": {**POD["spec"], "securityContext": {"runAsUser": 5, "fsGroup": 7}}}
    own = settings.security(pod, {"securityContext": {"runAsUser": 6, "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}})
    assert (own.uid, own.gid, own.groups, own.no_new_privileges, own.read_only_root, own.privileged) == (6, 0, (7,), True, True, False)
    assert settings.security(pod, {}).uid == 5
    with pytest.raises(ConfigError, match="runAsNonRoot"):
        settings.security(POD, {"securityContext": {"runAsNonRoot": True}})


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"hostPID": True}, "spec.hostPID: not supported"),
        ({"shareProcessNamespace": True}, "spec.shareProcessNamespace: not supported"),
        ({"containers": [{"name": "c", "lifecycle": {"preStop": {}}}]}, r"spec.containers\[0\].lifecycle: not supported"),
        ({"containers": [{"name": "c", "livenessProbe": {"grpc": {}}}]}, r"livenessProbe.grpc: not supported"),
        ({"containers": [{"name": "c", "ports": [{"hostPort": 80}]}]}, "hostPort is not supported"),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {}}]}, r"spec.volumes\[0\].persistentVolumeClaim: not supported"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(spec: dict[str, Any], message: str) -> None:
    import re

    assert re.search(message, settings.unsupported({**POD, "spec": {**POD["spec"], **spec}}))
    assert settings.unsupported(POD) == ""


def test_resolv_conf_follows_the_dns_policy() -> None:
    def conf(**spec: Any) -> str:
        return settings.resolv_conf({**POD, "spec": {**POD["spec"], **spec}}, "10.96.0.10")

    assert conf() == "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
    assert conf(hostNetwork=True) == "" and "10.96.0.10" in conf(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")
    own = {"nameservers": ["192.0.2.1"], "searches": ["x"], "options": [{"name": "ndots", "value": "1"}, {"name": "rotate"}]}
    assert conf(dnsPolicy="None", dnsConfig=own) == "search x\nnameserver 192.0.2.1\noptions ndots:1 rotate\n"


def test_volumes_are_written_and_kept_in_step(tmp_path: Path) -> None:
    pod = {
        **POD,
        "spec": {**POD["spec"], "volumes": [{"name": "c", "configMap": {"name": "c"}}, {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o400}}]},
    }
    found = volumes.prepare(pod, tmp_path, tmp_path / "root", lookup)
    assert (found["c"] / "k").read_text() == "v" and (found["s"] / "k").stat().st_mode & 0o777 == 0o400
    (found["c"] / "stray").write_text("x")
    volumes.prepare(pod, tmp_path, tmp_path / "root", lookup)
    assert not (found["c"] / "stray").exists()


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "none"}}, 'configmap "none" not found'),
        ({"configMap": {"name": "c", "items": [{"key": "k", "path": "../../out"}]}}, "leaves the volume"),
        ({"configMap": {"name": "c", "items": [{"key": "other", "path": "o"}]}}, "non-existent configmap key: other"),
        ({"hostPath": {"path": "/nowhere", "type": "Directory"}}, "hostPath type check failed"),
    ],
)
def test_bad_volumes_are_refused(volume: dict[str, Any], message: str, tmp_path: Path) -> None:
    pod = {**POD, "spec": {**POD["spec"], "volumes": [{"name": "v", **volume}]}}
    with pytest.raises(ConfigError, match=message):
        volumes.prepare(pod, tmp_path / "volumes", tmp_path / "root", lookup)


def test_host_paths_lie_in_the_node_s_own_directory(tmp_path: Path) -> None:
    pod = {**POD, "spec": {**POD["spec"], "volumes": [{"name": "v", "hostPath": {"path": "/etc/../etc/shadow.d"}}]}}
    assert volumes.prepare(pod, tmp_path / "volumes", tmp_path / "root", lookup)["v"] == tmp_path / "root/etc/shadow.d"


def test_mounts_stay_inside_their_volume(tmp_path: Path) -> None:
    mount = {"name": "v", "mountPath": "/data", "subPath": "../.."}
    with pytest.raises(ConfigError, match="leaves the volume"):
        volumes.mounts({"volumeMounts": [mount]}, {"v": tmp_path})
    with pytest.raises(ConfigError, match='no volume named "w"'):
        volumes.mounts({"volumeMounts": [{"name": "w", "mountPath": "/data"}]}, {"v": tmp_path})
    assert volumes.mounts({"volumeMounts": [{**mount, "subPath": "in"}]}, {"v": tmp_path})[0]["source"] == str(tmp_path / "in")


def test_the_interface_is_named_as_calico_names_it() -> None:
    assert wiring.interface_name("default", "app-wwmkb") == "caliae6e0c79bba"


def test_wiring_is_the_measured_one() -> None:
    assert wiring.pod_commands("10.244.232.192")[1:] == [
        "addr replace 10.244.232.192/32 dev eth0",
        "link set eth0 up",
        "route replace 169.254.1.1 dev eth0 scope link",
        "route replace default via 169.254.1.1 dev eth0",
    ]
    assert "route replace 10.244.232.192 dev calix scope link" in wiring.node_commands("calix", "10.244.232.192", "cni-1")
