"""Services on the wire: who answers, and which source address it sees; every row of the reference lab's table with its negative twin."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from leafspine_embedded.kube.resources import ENDPOINTS, ENDPOINTSLICES, PODS, SERVICES
from leafspine_embedded.node.proxy.ruleset import TABLE

sys.path.insert(0, str(Path(__file__).parent))
import nodelab
from nodelab import Lab, address_of, run, until

pytestmark = [pytest.mark.root, pytest.mark.asyncio(loop_scope="module")]

CLIENT, LEAF = "10.131.9.2", "10.131.5.1"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    """One pod on each node (`one` on the first, `two` on the second), and services over both or one of them."""
    async with nodelab.lab(tmp_path_factory.mktemp("lab")) as made:
        for name, node in (("one", made.first), ("two", made.second)):
            made.pod(name, node=node, metadata={"labels": {"app": "web", "pod": name}})
        await made.ready("one", "two")
        await made.spread_routes()
        service(made, "web", {"app": "web"}, 30001)
        service(made, "near", {"pod": "one"}, 30002, externalTrafficPolicy="Local")
        service(made, "far", {"pod": "two"}, 30003)
        service(made, "empty", {"pod": "none"}, 30004)
        service(made, "inner", {"pod": "one"}, 30005, internalTrafficPolicy="Local")
        service(made, "sticky", {"app": "web"}, 30006, sessionAffinity="ClientIP")
        await programmed(made, "sticky")
        yield made


def service(lab: Lab, name: str, selector: dict[str, str], node_port: int, **spec: Any) -> None:
    port = {"name": "http", "port": 80, "nodePort": node_port}
    lab.store.create(
        SERVICES, {"metadata": {"name": name, "namespace": "default"}, "spec": {"type": "NodePort", "selector": selector, "ports": [port], **spec}}
    )


def cluster_ip(lab: Lab, name: str) -> str:
    return str(lab.store.get(SERVICES, "default", name)["spec"]["clusterIP"])


async def programmed(lab: Lab, name: str) -> None:
    """Until every node's table knows the service."""
    for node in lab.addresses:
        for _ in range(200):
            listed = await run("nft", "list", "table", "ip", TABLE, where=node, check=False)
            if cluster_ip(lab, name) in listed:
                break
            await asyncio.sleep(0.02)
        else:
            raise AssertionError(f"{name} is not in the table of {node}")


async def ask(lab: Lab, where: str, url: str) -> tuple[str, str]:
    """(pod that answered, client address it saw), asked from a namespace or, with `pod:`, from a pod."""
    words = ["curl", "-s", "-m2", f"http://{url}/json"]
    text = await lab.exec(where.removeprefix("pod:"), *words) if where.startswith("pod:") else await run(*words, where=where)
    told = json.loads(text)
    return told["pod"], told["client"]


async def seen(lab: Lab, where: str, url: str, tries: int = 10) -> set[tuple[str, str]]:
    return {await ask(lab, where, url) for _ in range(tries)}


async def curl_code(lab: Lab, where: str, url: str, patience: str = "1") -> str:
    return (await run("curl", "-s", f"-m{patience}", "-o", "/dev/null", "-w", "%{exitcode}", f"http://{url}/", where=where, check=False)).strip()


async def test_pod_to_pod_is_never_rewritten(lab: Lab) -> None:
    one, two = address_of(lab.get("one")), address_of(lab.get("two"))
    assert await ask(lab, "pod:one", two) == ("two", one)
    assert await ask(lab, "pod:two", one) == ("one", two)


async def test_pod_to_the_outside_is_seen_as_its_node(lab: Lab) -> None:
    script = "import socket; s=socket.create_server(('', 8099)); c,a=s.accept(); print(a[0])"
    for pod, node in (("one", lab.first), ("two", lab.second)):
        server = asyncio.create_task(run(sys.executable, "-c", script, where=lab.client))
        for _ in range(100):
            await asyncio.sleep(0.03)
            if server.done() or not await lab.exec(pod, "curl", "-s", "-m1", "-o", "/dev/null", f"http://{CLIENT}:8099/", check=False):
                break
        assert (await server).strip() == lab.addresses[node]


async def test_pod_to_cluster_ip_keeps_its_own_address(lab: Lab) -> None:
    one, two = address_of(lab.get("one")), address_of(lab.get("two"))
    assert await ask(lab, "pod:one", cluster_ip(lab, "far")) == ("two", one)
    assert await ask(lab, "pod:two", cluster_ip(lab, "near")) == ("one", two)


async def test_hairpin_to_itself_is_masqueraded(lab: Lab) -> None:
    one = address_of(lab.get("one"))
    assert await ask(lab, "pod:one", cluster_ip(lab, "near")) == ("one", lab.addresses[lab.first])
    through_both = await seen(lab, "pod:one", cluster_ip(lab, "web"), 24)
    assert through_both == {("one", lab.addresses[lab.first]), ("two", one)}


@pytest.mark.parametrize("address", ["cluster", "node port"])
async def test_outside_with_policy_cluster_is_seen_as_the_entry_node(lab: Lab, address: str) -> None:
    entry = lab.addresses[lab.first]
    url = cluster_ip(lab, "web") if address == "cluster" else f"{entry}:30001"
    for source in (lab.client, lab.leaf):
        assert await seen(lab, source, url, 24) == {("one", entry), ("two", entry)}


async def test_the_entry_node_counts_not_the_endpoint_s(lab: Lab) -> None:
    entry = lab.addresses[lab.second]
    assert await seen(lab, lab.client, f"{entry}:30001", 16) == {("one", entry), ("two", entry)}
    assert await ask(lab, lab.client, f"{lab.addresses[lab.first]}:30003") == ("two", lab.addresses[lab.first])


async def test_outside_with_policy_local_keeps_the_client_s_address(lab: Lab) -> None:
    assert await seen(lab, lab.client, f"{lab.addresses[lab.first]}:30002", 5) == {("one", CLIENT)}
    assert await seen(lab, lab.leaf, f"{lab.addresses[lab.first]}:30002", 5) == {("one", LEAF)}
    assert await seen(lab, lab.client, cluster_ip(lab, "near"), 5) == {("one", CLIENT)}


async def test_policy_local_without_an_endpoint_here_drops_strangers_only(lab: Lab) -> None:
    elsewhere = f"{lab.addresses[lab.second]}:30002"
    assert await curl_code(lab, lab.client, elsewhere) == "28"
    assert (await ask(lab, "pod:two", elsewhere))[0] == "one"
    assert (await ask(lab, lab.second, elsewhere))[0] == "one"


async def test_the_node_itself_reaches_cluster_ip_and_node_port(lab: Lab) -> None:
    for node, address in lab.addresses.items():
        assert await seen(lab, node, cluster_ip(lab, "web"), 16) == {("one", address), ("two", address)}
        assert await seen(lab, node, f"{address}:30001", 16) == {("one", address), ("two", address)}
        assert {pod for pod, _client in await seen(lab, node, "127.0.0.1:30001", 16)} == {"one", "two"}


async def test_no_endpoints_is_refused_at_once(lab: Lab) -> None:
    for source in (lab.client, lab.first):
        for _ in range(12):  # more than the kernel's rate limit of ICMP errors lets through
            assert await curl_code(lab, source, cluster_ip(lab, "empty")) == "7"
            assert await curl_code(lab, source, f"{lab.addresses[lab.first]}:30004") == "7"
    assert await curl_code(lab, lab.client, f"{lab.addresses[lab.first]}:30001") == "0"


async def test_node_ports_answer_on_every_address_of_the_node(lab: Lab) -> None:
    await lab.batch(lab.first, ["addr add 10.131.5.77/24 dev net0"])
    try:
        assert (await ask(lab, lab.client, "10.131.5.77:30001"))[0] in ("one", "two")
    finally:
        await lab.batch(lab.first, ["addr del 10.131.5.77/24 dev net0"])
    assert await curl_code(lab, lab.client, "10.131.5.77:30001") in ("7", "28")


async def test_internal_policy_local_stays_on_the_node(lab: Lab) -> None:
    assert (await ask(lab, "pod:one", cluster_ip(lab, "inner")))[0] == "one"
    assert await lab.exec("two", "curl", "-s", "-m1", f"http://{cluster_ip(lab, 'inner')}/", check=False) == ""
    assert (await ask(lab, lab.client, f"{lab.addresses[lab.second]}:30005"))[0] == "one"


async def test_affinity_holds_a_client_and_survives_a_change(lab: Lab) -> None:
    url = f"{lab.addresses[lab.first]}:30006"
    first = {pod for pod, _ in await seen(lab, lab.client, url, 12)}
    assert len(first) == 1
    service(lab, "other", {"app": "web"}, 30007)
    await programmed(lab, "other")
    assert {pod for pod, _ in await seen(lab, lab.client, url, 12)} == first
    assert {pod for pod, _ in await seen(lab, lab.client, f"{lab.addresses[lab.first]}:30007", 24)} == {"one", "two"}


async def test_slices_look_like_a_real_controller_s(lab: Lab) -> None:
    (found,) = [item for item in lab.store.list(ENDPOINTSLICES) if item["metadata"].get("labels", {}).get("kubernetes.io/service-name") == "web"]
    assert re.fullmatch(r"web-[bcdfghjklmnpqrstvwxz2456789]{5}", found["metadata"]["name"])
    assert {item["targetRef"]["name"]: (item["addresses"], item["conditions"], item["nodeName"]) for item in found["endpoints"]} == {
        name: ([address_of(lab.get(name))], {"ready": True, "serving": True, "terminating": False}, node)
        for name, node in (("one", lab.first), ("two", lab.second))
    }
    assert found["ports"] == [{"name": "http", "port": 80, "protocol": "TCP"}]
    (subset,) = lab.store.get(ENDPOINTS, "default", "web")["subsets"]
    assert sorted(item["ip"] for item in subset["addresses"]) == sorted(address_of(lab.get(name)) for name in ("one", "two"))
    assert [item["addresses"] for item in lab.store.get(ENDPOINTSLICES, "default", "kubernetes")["endpoints"]] == [["10.131.200.2"]]


async def test_an_endpoint_goes_without_a_connection_lost_in_silence(lab: Lab) -> None:
    lab.pod("three", node=lab.second, metadata={"labels": {"pod": "three"}})
    service(lab, "moving", {"pod": "three"}, 30010)
    await lab.ready("three")
    await programmed(lab, "moving")
    url = f"{lab.addresses[lab.first]}:30010"
    await until(lambda: lab.store.find(ENDPOINTS, "default", "moving"), "the endpoints")
    for _ in range(50):
        if await curl_code(lab, lab.client, url) == "0":
            break
    assert (await ask(lab, lab.client, url))[0] == "three"
    lab.store.delete(PODS, "default", "three")
    codes = [await curl_code(lab, lab.client, url)]
    while codes[-20:] != ["7"] * 20 and len(codes) < 500:
        codes.append(await curl_code(lab, lab.client, url))
    # Answered until it ends, refused from then on; the one connection that is open at the end is reset (52, 56), none runs into nothing (28).
    assert re.fullmatch(r"(0 )*((52|56) )?(7 )+", " ".join(codes) + " "), codes
    await until(lambda: lab.store.find(PODS, "default", "three") is None, "the end of the pod")


async def answering(lab: Lab, script: str, wanted: str) -> str:
    """The pod that answers the script, asked until it is the one wanted. While there is no endpoint the packet is refused, and the script fails."""
    answer = ""
    for _ in range(50):
        with contextlib.suppress(AssertionError):
            answer = json.loads(await run(sys.executable, "-c", script, where=lab.first))["pod"]
        if answer == wanted:
            break
    return answer


async def test_a_deleted_table_comes_back_and_udp_follows_its_endpoint(lab: Lab) -> None:
    port = {"name": "dns", "port": 53, "targetPort": 80, "protocol": "UDP"}
    lab.store.create(SERVICES, {"metadata": {"name": "udp", "namespace": "default"}, "spec": {"selector": {"pod": "one"}, "ports": [port]}})
    await programmed(lab, "udp")
    script = (
        "import socket,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.bind(('',4999))\ns.settimeout(1)\n"
        f"s.sendto(b'x',('{cluster_ip(lab, 'udp')}',53))\nprint(s.recv(999).decode())"
    )
    assert await answering(lab, script, "one") == "one"
    changed = lab.store.get(SERVICES, "default", "udp")
    changed["spec"]["selector"] = {"pod": "two"}
    lab.store.update(SERVICES, changed)
    assert await answering(lab, script, "two") == "two"
