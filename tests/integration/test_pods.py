"""Pods as real processes in real namespaces: wiring, life, death, restart of the engine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from leafspine_embedded.calico import datastore
from leafspine_embedded.common import netns, process
from leafspine_embedded.kube.errors import ApiError
from leafspine_embedded.kube.resources import EVENTS, PODS
from leafspine_embedded.node.kubelet import wiring

sys.path.insert(0, str(Path(__file__).parent))
import nodelab
from nodelab import Lab, address_of, run, until

pytestmark = pytest.mark.root


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with nodelab.lab(tmp_path) as made:
        yield made


def container(lab: Lab, name: str) -> dict[str, Any]:
    """The status of a pod's only container; an empty state before the kubelet has written one."""
    found = (lab.get(name).get("status") or {}).get("containerStatuses") or [{"state": {}, "restartCount": 0}]
    return dict(found[0])


def command_pid(lab: Lab, name: str) -> int:
    worker = next(item for item in lab.kubelets.workers.values() if item.pod["metadata"]["name"] == name)
    pid = worker.main[0].process.pid
    assert pid is not None
    return pid


def reasons(lab: Lab, name: str) -> list[str]:
    found = [event for event in lab.store.list(EVENTS) if event["involvedObject"]["name"] == name]
    return [event["reason"] for event in sorted(found, key=lambda event: int(event["metadata"]["resourceVersion"]))]


async def test_a_pod_is_wired_as_calico_wires_it(lab: Lab) -> None:
    lab.pod("app", node=lab.second)
    await lab.ready("app")
    pod = lab.get("app")
    address, interface = address_of(pod), wiring.interface_name("default", "app")
    link = json.loads(await lab.exec("app", "ip", "-j", "-d", "addr", "show", "eth0"))[0]
    assert (link["mtu"], link["operstate"]) == (1500, "UP")
    assert [(item["local"], item["prefixlen"], item["scope"]) for item in link["addr_info"] if item["family"] == "inet"] == [(address, 32, "global")]
    shown = [line.strip() for line in (await lab.exec("app", "ip", "route")).splitlines()]
    assert shown == ["default via 169.254.1.1 dev eth0", "169.254.1.1 dev eth0 scope link"]
    node_side = json.loads(await run("ip", "-j", "link", "show", interface, where=lab.second))[0]
    assert (node_side["address"], node_side["mtu"]) == ("ee:ee:ee:ee:ee:ee", 1500)
    assert (await run("ip", "route", "show", address, where=lab.second)).strip() == f"{address} dev {interface} scope link"
    conf = await run("sh", "-c", f"cd /proc/sys/net/ipv4/conf/{interface}; cat proxy_arp forwarding rp_filter route_localnet", where=lab.second)
    assert conf.split() == ["1", "1", "1", "1"]
    assert "ee:ee:ee:ee:ee:ee" in await lab.exec("app", "sh", "-c", f"ping -c1 -W1 {lab.addresses[lab.second]} >/dev/null; ip neigh")


async def test_status_events_and_answer_are_those_of_a_real_cluster(lab: Lab) -> None:
    lab.pod("app", node=lab.first)
    await lab.ready("app")
    pod = lab.get("app")
    status = pod["status"]
    assert (status["phase"], status["hostIP"], status["podIPs"]) == ("Running", lab.addresses[lab.first], [{"ip": status["podIP"]}])
    assert [entry["type"] for entry in status["conditions"]] == ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
    assert {entry["status"] for entry in status["conditions"]} == {"True"}
    state = status["containerStatuses"][0]
    assert (state["image"], state["restartCount"], state["ready"], state["started"], list(state["state"])) == (
        "docker.io/lab/nettool:1",
        0,
        True,
        True,
        ["running"],
    )
    assert reasons(lab, "app") == ["Scheduled", "Pulled", "Created", "Started"]
    assert pod["metadata"]["annotations"]["cni.projectcalico.org/podIP"] == f"{status['podIP']}/32"
    assert pod["metadata"]["generation"] == 1
    answer = await run("curl", "-s", "-m3", f"http://{status['podIP']}/", where=lab.first)
    assert answer == f"PodName: app | PodIP: {status['podIP']}\n"
    assert "listens on port 80" in await lab.logs("app")


async def test_without_a_network_plugin_pods_wait_and_say_why(tmp_path: Path) -> None:
    async with nodelab.lab(tmp_path, cni=False) as lab:
        lab.pod("app")
        lab.pod("host", spec={"hostNetwork": True})
        await lab.ready("host")
        await until(lambda: "FailedCreatePodSandBox" in reasons(lab, "app"), "the event")
        assert container(lab, "app")["state"]["waiting"]["reason"] == "ContainerCreating"
        assert lab.get("app")["status"]["phase"] == "Pending" and "podIP" not in lab.get("app")["status"]
        assert lab.get("host")["status"]["podIP"] == lab.addresses[lab.get("host")["spec"]["nodeName"]]
        lab.cni_up()
        await lab.ready("app")


async def test_an_unknown_image_backs_off_and_never_runs(lab: Lab) -> None:
    lab.pod("app", image="nowhere.example/ghost:1", container={"imagePullPolicy": "IfNotPresent"})
    lab.pod("never", image="nowhere.example/ghost:1")
    await until(lambda: container(lab, "app")["state"].get("waiting", {}).get("reason") == "ErrImagePull", "ErrImagePull")
    await until(lambda: container(lab, "app")["state"]["waiting"]["reason"] == "ImagePullBackOff", "ImagePullBackOff")
    assert container(lab, "never")["state"]["waiting"]["reason"] == "ErrImageNeverPull"
    assert {"Pulling", "Failed", "BackOff"} <= set(reasons(lab, "app"))
    assert not lab.is_ready("app") and "Started" not in reasons(lab, "app")


async def test_a_crashing_container_backs_off_and_keeps_its_last_exit(lab: Lab) -> None:
    lab.pod("app", container={"command": ["sh", "-c", "echo run $$; exit 3"]})
    await until(lambda: container(lab, "app")["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff", "CrashLoopBackOff")
    state = container(lab, "app")
    assert state["lastState"]["terminated"]["exitCode"] == 3 and state["lastState"]["terminated"]["reason"] == "Error"
    assert re.fullmatch(r"back-off 0\.6s restarting failed container=nettool pod=app_default\([-0-9a-f]+\)", state["state"]["waiting"]["message"])
    assert state["restartCount"] == 1 and not state["ready"] and not lab.is_ready("app") and "BackOff" in reasons(lab, "app")
    await until(lambda: container(lab, "app")["restartCount"] == 2, "the second restart")
    assert await lab.logs("app", previous=True) == "run $\n"  # `$$` is an escaped dollar in a pod's command


async def test_a_pod_that_ends_well_is_not_restarted(lab: Lab) -> None:
    lab.pod("job", container={"command": ["sh", "-c", "exit 0"]}, spec={"restartPolicy": "Never"})
    lab.pod("bad", container={"command": ["sh", "-c", "exit 7"]}, spec={"restartPolicy": "Never"})
    await until(lambda: lab.get("job")["status"].get("phase") == "Succeeded", "Succeeded")
    await until(lambda: lab.get("bad")["status"].get("phase") == "Failed", "Failed")
    assert container(lab, "job")["state"]["terminated"]["reason"] == "Completed"
    assert container(lab, "bad")["state"]["terminated"]["exitCode"] == 7


async def test_a_command_that_does_not_exist_is_a_start_error(lab: Lab) -> None:
    lab.pod("app", container={"command": ["/no/such/program"]}, spec={"restartPolicy": "Never"})
    await until(lambda: lab.get("app")["status"].get("phase") == "Failed", "Failed")
    ended = container(lab, "app")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError") and "no such file or directory" in ended["message"]


async def test_a_killed_process_is_noticed_and_started_again(lab: Lab) -> None:
    lab.pod("app")
    await lab.ready("app")
    before = command_pid(lab, "app")
    os.kill(before, signal.SIGKILL)
    await until(lambda: container(lab, "app")["restartCount"] == 1 and lab.is_ready("app"), "the restart", timeout=3)
    assert container(lab, "app")["lastState"]["terminated"]["exitCode"] == 137
    assert command_pid(lab, "app") != before


async def test_a_deleted_link_route_or_name_comes_back_without_a_restart(lab: Lab) -> None:
    lab.pod("app", node=lab.first)
    await lab.ready("app")
    address, interface, pid = address_of(lab.get("app")), wiring.interface_name("default", "app"), command_pid(lab, "app")
    worker = next(iter(lab.kubelets.workers.values()))
    for damage in (["ip", "link", "del", interface], ["ip", "route", "del", address]):
        await run(*damage, where=lab.first)
        await until(lambda: wiring.healthy(lab.first, worker.sandbox.netns, interface), f"repair after {damage}", timeout=4)
        assert "PodName" in await run("curl", "-s", "-m3", f"http://{address}/", where=lab.first)
    netns.delete(worker.sandbox.netns)
    await until(lambda: netns.exists(worker.sandbox.netns), "the namespace's name", timeout=4)
    assert command_pid(lab, "app") == pid and container(lab, "app")["restartCount"] == 0


async def test_a_node_that_was_made_anew_gets_its_pods_back(lab: Lab) -> None:
    lab.pod("app", node=lab.second)
    lab.pod("host", node=lab.second, spec={"hostNetwork": True})
    await lab.ready("app", "host")
    worker = next(item for item in lab.kubelets.workers.values() if item.pod["metadata"]["name"] == "app")
    before = worker.sandbox.netns
    await lab.replace_node(lab.nodes[1])
    await until(lambda: worker.sandbox is not None and worker.sandbox.netns != before and lab.is_ready("app"), "a new sandbox", timeout=15)
    await lab.ready("host")
    assert "SandboxChanged" in reasons(lab, "app") and not netns.exists(before)
    assert "PodName: app" in await run("curl", "-s", "-m3", f"http://{address_of(lab.get('app'))}/", where=lab.second)
    assert (await run("sh", "-c", "cat /proc/sys/net/ipv4/ip_forward", where=lab.second)).strip() == "1"


async def test_an_engine_that_restarts_adopts_its_pods(lab: Lab) -> None:
    lab.pod("app")
    lab.pod("dies")
    lab.pod("goes")
    await lab.ready("app", "dies", "goes")
    pid, address, doomed = command_pid(lab, "app"), address_of(lab.get("app")), command_pid(lab, "dies")
    gone, sandbox = command_pid(lab, "goes"), next(w.sandbox for w in lab.kubelets.workers.values() if w.pod["metadata"]["name"] == "goes")
    await lab.stop()
    os.kill(doomed, signal.SIGKILL)
    lab.store = lab.store.__class__(lab.directory / "store")
    lab.store.finalize(PODS, "default", "goes")
    lab.store.close()
    assert process.start_time(pid) is not None
    await lab.start()
    await until(lambda: len(lab.kubelets.workers) == 2 and container(lab, "dies")["restartCount"] == 1, "adoption")
    await lab.ready("app", "dies")
    assert (command_pid(lab, "app"), address_of(lab.get("app")), container(lab, "app")["restartCount"]) == (pid, address, 0)
    assert process.start_time(gone) is None and not netns.exists(sandbox.netns)
    assert "PodName: app" in await lab.exec("app", "curl", "-s", "-m3", "http://127.0.0.1/")


async def test_deleting_a_pod_ends_it_within_its_grace_period_and_leaves_nothing(lab: Lab) -> None:
    lab.pod("soft")
    lab.pod("hard", container={"command": ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]})
    await lab.ready("soft", "hard")
    sandboxes = [(worker.host.node.name, worker.sandbox, command_pid(lab, worker.pod["metadata"]["name"])) for worker in lab.kubelets.workers.values()]
    begun = asyncio.get_running_loop().time()
    for name in ("soft", "hard"):
        lab.store.delete(PODS, "default", name)
    await until(lambda: lab.store.find(PODS, "default", "soft") is None, "the end of the one that listens", timeout=0.9)
    assert lab.store.find(PODS, "default", "hard") is not None
    await until(lambda: lab.store.find(PODS, "default", "hard") is None, "the end of the one that does not")
    assert 0.9 < asyncio.get_running_loop().time() - begun < 3
    await until(lambda: not lab.kubelets.workers, "both workers")
    for node, sandbox, pid in sandboxes:
        assert not netns.exists(sandbox.netns) and process.start_time(pid) is None
        assert sandbox.interface not in await run("ip", "link", where=node)
    assert not list(datastore.scan(lab.store, "ipamhandles")) and not list((lab.directory / "netns").iterdir())
    assert not list(lab.directory.glob("kubelet/*/pods/*"))


async def test_probes_decide_about_ready_and_restart(lab: Lab) -> None:
    web = {"httpGet": {"path": "/healthz", "port": "web"}, "periodSeconds": 1}
    ports = [{"containerPort": 80, "name": "web"}]
    lab.pod("good", container={"ports": ports, "readinessProbe": web})
    lab.pod("bad", container={"ports": ports, "readinessProbe": {**web, "httpGet": {"path": "/nothing", "port": 80}}})
    alive = {"exec": {"command": ["test", "-e", "/tmp/alive"]}, "periodSeconds": 1, "failureThreshold": 1}
    lab.pod("live", container={"command": ["sh", "-c", "touch /tmp/alive; sleep 1.5; rm /tmp/alive; sleep 60"], "livenessProbe": alive})
    await lab.ready("good")
    await until(lambda: container(lab, "live")["restartCount"] >= 1, "the restart by the liveness probe")
    assert not lab.is_ready("bad") and container(lab, "bad")["state"]["running"]
    messages = [event["message"] for event in lab.store.list(EVENTS) if event["involvedObject"]["name"] == "bad"]
    assert "Readiness probe failed: HTTP probe failed with statuscode: 404" in messages


async def test_exec_sees_the_pod_and_not_the_machine(lab: Lab) -> None:
    lab.pod("app")
    lab.pod("strong", container={"securityContext": {"privileged": True}})
    await lab.ready("app", "strong")
    assert (await lab.exec("app", "hostname")).strip() == "app"
    seen = set((await lab.exec("app", "sh", "-c", "ls /root /home /var /run /proc 2>/dev/null; ls -d /proc/[0-9]*")).split())
    assert "leafspine" not in seen and str(os.getpid()) not in seen
    assert len([entry for entry in seen if entry.startswith("/proc/")]) < 8
    assert not Path("/usr/leak").exists() and await lab.exec("app", "sh", "-c", "touch /usr/leak || echo refused") == "refused\n"
    refused = "cat /proc/sys/net/ipv4/ip_forward >/dev/null; echo 1 > /proc/sys/net/ipv4/ip_forward && echo written || echo refused"
    assert (await lab.exec("app", "sh", "-c", refused)).strip() == "refused"
    assert (await lab.exec("strong", "sh", "-c", refused)).strip() == "written"
    assert (await lab.exec("app", "sh", "-c", "ip link add x type bridge && echo made || echo refused")).strip() == "refused"
    assert "0 packets" in await lab.exec("app", "sh", "-c", "timeout 1 tcpdump -ni eth0 -c1 port 9 2>&1 || true")
    text = await lab.exec("app", "cat", "/etc/resolv.conf")
    assert text == "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.131.64.10\noptions ndots:5\n"
    with pytest.raises(ApiError, match=r'exec: "nosuchprogram": executable file not found in \$PATH'):
        await lab.exec("app", "nosuchprogram")
    assert lab.cluster.runtime is not None
    failing = await lab.cluster.runtime.exec("default", "app", "", ["sh", "-c", "exit 5"], None, False)
    assert await failing.wait() == 5


async def test_exec_with_a_terminal_and_with_input(lab: Lab) -> None:
    lab.pod("app")
    await lab.ready("app")
    assert lab.cluster.runtime is not None
    source = asyncio.StreamReader()
    source.feed_data(b"three\n")
    source.feed_eof()
    running = await lab.cluster.runtime.exec("default", "app", "", ["cat"], source, False)
    assert await asyncio.wait_for(running.stdout.read(), 5) == b"three\n" and await running.wait() == 0
    keyboard = asyncio.StreamReader()
    terminal = await lab.cluster.runtime.exec("default", "app", "", ["sh"], keyboard, True)
    terminal.resize(100, 30)
    assert terminal.stderr is None
    keyboard.feed_data(b"tty; stty size; exit 4\n")
    text = await asyncio.wait_for(terminal.stdout.read(), 5)
    assert b"/dev/pts/0" in text and b"30 100" in text
    assert await asyncio.wait_for(terminal.wait(), 5) == 4
    endless = await lab.cluster.runtime.exec("default", "app", "", ["sleep", "100"], None, False)
    endless.kill()
    assert await asyncio.wait_for(endless.wait(), 3) != 0
    assert "sleep" not in await lab.exec("app", "sh", "-c", "cat /proc/[0-9]*/comm")


async def test_environment_and_volumes_come_from_where_they_should(lab: Lab) -> None:
    from leafspine_embedded.kube.resources import CONFIGMAPS, SECRETS

    lab.store.create(CONFIGMAPS, {"metadata": {"name": "settings", "namespace": "default"}, "data": {"colour": "green"}})
    lab.store.create(SECRETS, {"metadata": {"name": "keys", "namespace": "default"}, "stringData": {"token": "s3cret"}})
    env = [
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
        {"name": "BOTH", "value": "$(COLOUR)-$$(COLOUR)"},
    ]
    mounts = [{"name": "conf", "mountPath": "/conf"}, {"name": "shared", "mountPath": "/shared"}]
    volumes = [{"name": "conf", "configMap": {"name": "settings"}}, {"name": "shared", "emptyDir": {}}]
    lab.pod("app", container={"env": env, "volumeMounts": mounts}, spec={"volumes": volumes})
    await lab.ready("app")
    pod = lab.get("app")
    told = await lab.exec("app", "sh", "-c", "echo $NODE $ADDRESS $COLOUR $TOKEN $BOTH $KUBERNETES_SERVICE_HOST; cat /conf/colour; touch /shared/x; ls /shared")
    assert told.split() == [pod["spec"]["nodeName"], address_of(pod), "green", "s3cret", "green-$(COLOUR)", "10.131.64.1", "greenx"]
    secret_on_argv = await run("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "s3cret" not in secret_on_argv
    lab.pod("missing", container={"env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "x"}}}]})
    await until(lambda: container(lab, "missing")["state"].get("waiting", {}).get("reason") == "CreateContainerConfigError", "the error")
    assert container(lab, "missing")["state"]["waiting"]["message"] == 'configmap "none" not found'


async def test_what_is_not_supported_is_refused_by_name(lab: Lab) -> None:
    lab.pod("app", spec={"hostPID": True})
    await until(lambda: container(lab, "app")["state"].get("waiting", {}).get("reason") == "CreateContainerConfigError", "the refusal")
    assert container(lab, "app")["state"]["waiting"]["message"] == "spec.hostPID: not supported by the embedded engine"


async def test_init_containers_run_first_and_hold_the_pod_back(lab: Lab) -> None:
    first = {"name": "first", "image": "lab/nettool:1", "command": ["sh", "-c", "sleep 0.3; echo done > /shared/flag"]}
    share = [{"name": "shared", "mountPath": "/shared"}]
    spec = {"initContainers": [{**first, "volumeMounts": share}], "volumes": [{"name": "shared", "emptyDir": {}}]}
    lab.pod("app", container={"volumeMounts": share}, spec=spec)
    await until(lambda: lab.get("app")["status"].get("initContainerStatuses", [{}])[0].get("state", {}).get("running"), "the init container")
    assert container(lab, "app")["state"]["waiting"]["reason"] == "PodInitializing"
    await lab.ready("app")
    assert await lab.exec("app", "cat", "/shared/flag") == "done\n"


async def test_logs_follow_and_tail(lab: Lab) -> None:
    lab.pod(
        "app",
        container={"command": ["sh", "-c", "for n in 1 2 3 4 5; do echo line $n; sleep 0.2; done; sleep 0.4; echo last"]},
        spec={"restartPolicy": "Never"},
    )
    await lab.ready("app")
    followed = await asyncio.wait_for(lab.logs("app", follow=True), 10)
    assert followed.splitlines() == [*(f"line {n}" for n in range(1, 6)), "last"]
    assert (await lab.logs("app", tail=2)).splitlines() == ["line 5", "last"]
    with pytest.raises(ApiError, match="previous terminated container"):
        await lab.logs("app", previous=True)


async def test_an_agent_container_crashes_restarts_and_survives_the_engine(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """calico/node is a coroutine of the engine; towards the API it is a container like any other."""
    from leafspine_embedded.calico import node as calico_node

    runs: list[str] = []

    async def run_node(store: Any, cluster: Any, node: str, env: dict[str, str], stop: asyncio.Event, log: Any) -> None:
        runs.append(node)
        log(f"run {len(runs)} with {env['COLOUR']}")
        if len(runs) == 1:
            raise RuntimeError("no luck")
        await stop.wait()
        runs.append("stopped")

    monkeypatch.setattr(calico_node, "run_node", run_node)
    agent = {"name": "calico-node", "image": "quay.io/calico/node:v3.31.0", "env": [{"name": "COLOUR", "value": "green"}]}
    lab.pod("agent", node=lab.first, container=agent, spec={"hostNetwork": True})
    await until(lambda: container(lab, "agent")["restartCount"] == 1 and lab.is_ready("agent"), "the second run")
    assert container(lab, "agent")["lastState"]["terminated"]["exitCode"] == 1
    await until(lambda: len(runs) == 2, "its first step")
    assert "RuntimeError: no luck" in await lab.logs("agent", previous=True) and "run 2 with green" in await lab.logs("agent")
    inside = await lab.exec("agent", "sh", "-c", "ip -br addr show net0; ls / /root /run")
    assert lab.addresses[lab.first] in inside and "leafspine" not in inside
    await lab.stop()
    await lab.start()
    await until(lambda: len(runs) == 3, "the third run")
    await lab.ready("agent")
    assert container(lab, "agent")["restartCount"] == 1 and "run 3" in await lab.logs("agent")
    lab.store.delete(PODS, "default", "agent")
    await until(lambda: lab.store.find(PODS, "default", "agent") is None and runs[-1] == "stopped", "a clean stop")


async def test_many_pods_come_up_together(lab: Lab) -> None:
    names = [f"p{number}" for number in range(16)]
    for name in names:
        lab.pod(name)
    await lab.ready(*names)
    pods = [lab.get(name) for name in names]
    assert len({address_of(pod) for pod in pods}) == 16
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == sorted([lab.first, lab.second] * 8)
