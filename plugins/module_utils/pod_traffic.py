# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pods reach and which address the other side sees: probes that run in pods, and their judgement. Pure functions.

The demo app's server answers ``GET /json`` with {pod, ip, node, client}: who it is and whom it sees. Every claim has its twin: what
nobody has must not answer, a packet that is one byte too long must not pass.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils.checks import Check, check

Device = dict[str, Any]
View = Mapping[str, Any]
Answers = Mapping[str, Mapping[str, Any]]
Probe = dict[str, Any]

IP_AND_ICMP = 28  # bytes of headers
SERVICE_TRIES = 12
ROUNDS_AN_ENDPOINT = 2  # of four endpoints one is missed by all rounds once in 10^13 times
REFUSED = 7  # curl: failed to connect
SUBJECTS = {"tcp": "pod to pod", "mtu": "MTU", "twin": "negative twin", "service": "service"}


def app_pods(view: View) -> list[Device]:
    """The app's first usable pod of every server."""
    found: dict[str, Device] = {}
    for pod in view["app"]:
        if pod["server"] and pod["ready"] and pod["address"]:
            found.setdefault(pod["server"], pod)
    return list(found.values())


def curl(url: str, seconds: float, *options: str) -> list[str]:
    """Words of a quiet curl that ends in time."""
    return ["curl", "-s", "-m", str(seconds), *options, url]


def ping(address: str, size: int) -> list[str]:
    """Words of one ping whose packets must not be fragmented; ``size`` is the whole packet's."""
    return ["ping", "-n", "-c", "1", "-W", "2", "-M", "do", "-s", str(size - IP_AND_ICMP), address]


def pod_probes(fabric: Device, view: View) -> list[Probe]:
    """What to run in the app's pods, for the module ``probes`` (with ``together``)."""
    pods = app_pods(view)
    found = []
    for pod in pods:
        for other in pods:
            found.append(_probe(pod, f"tcp {other['server']}", curl(f"http://{other['address']}/json", 3)))
            if other is not pod:
                found.append(_probe(pod, f"mtu {other['server']}", ping(other["address"], fabric["mtu"])))
        found += _twins(fabric, view, pod)
        service = view["service"]
        if service and service["cluster_ip"]:
            found.append(_probe(pod, "service", ["sh", "-c", _through_service(service, pod)]))
    return found


def _through_service(service: Device, pod: Device) -> str:
    """Shell text that asks the ClusterIP in rounds until the service has given the pod itself; at the end it says how often it asked.

    By chance a round may leave out the pod itself: the number of rounds allows for all endpoints being equally likely.
    """
    ask = shlex.join(curl(f"http://{service['cluster_ip']}:{service['port']}/json#[1-{SERVICE_TRIES}]", 6))
    rounds = 1 + ROUNDS_AN_ENDPOINT * len(service["endpoints"]) if pod["address"] in service["endpoints"] else 1
    itself = f"*{shlex.quote(json.dumps(pod['name']))}*"
    return (
        f'n=0; while [ $n -lt {rounds} ]; do n=$((n+1)); a=$({ask}); echo "$a"; [ -n "$a" ] || break; '
        f"case $a in {itself}) break;; esac; done; echo asked $((n*{SERVICE_TRIES}))"
    )


def _probe(pod: Device, name: str, command: list[str]) -> Probe:
    return {"name": f"{pod['server']} {name}", "pod": pod["name"], "namespace": pod["namespace"], "command": command, "timeout": 15}


def _twins(fabric: Device, view: View, pod: Device) -> list[Probe]:
    """What must not work from a pod: an address and a node port that nobody has, and a packet longer than the MTU."""
    found = []
    others = [server for server in fabric["servers"] if server["name"] != pod["server"]]
    unused = next((view["unused"]["pods"][server["name"]] for server in reversed(others) if server["name"] in view["unused"]["pods"]), None)
    if unused:
        found.append(_probe(pod, "twin address", curl(f"http://{unused}/", 1)))
    if others:
        found.append(_probe(pod, "twin port", curl(f"http://{others[-1]['address']}:{view['unused']['node_port']}/", 2)))
    far = [other for other in app_pods(view) if other is not pod]
    if far:
        found.append(_probe(pod, "twin size", ping(far[-1]["address"], fabric["mtu"] + 1)))
    return found


# --- judgement -----------------------------------------------------------------------------------------------------------


def answers_of(text: str) -> list[Device]:
    """The app's JSON answers in what curl printed; other lines are left out."""
    found = []
    for one in text.splitlines():
        try:
            answer = json.loads(one)
        except ValueError:
            continue
        if isinstance(answer, dict) and "client" in answer:
            found.append(answer)
    return found


def pod_checks(fabric: Device, view: View, answers: Answers, node_addresses: Mapping[str, set[str]] | None = None) -> list[Check]:
    """Judgement of ``pod_probes``. ``node_addresses``: all addresses of each server's node, where they are known."""
    pods = {pod["server"]: pod for pod in app_pods(view)}
    checks, through_service = [], []
    for probe in pod_probes(fabric, view):
        server, kind, *rest = probe["name"].split()
        pod, result = pods[server], answers.get(probe["name"]) or {"rc": None, "stdout": "not run"}
        look = f"kubectl -n {pod['namespace']} exec {pod['name']} -- {shlex.join(probe['command'])}"
        if kind == "tcp":
            checks += _reached(pod, pods[rest[0]], result, look)
        elif kind == "mtu":
            what = f"{fabric['mtu']} bytes unfragmented to {pods[rest[0]]['name']}"
            checks.append(check("MTU", f"pod {pod['name']}", what, "a reply", _ping_text(result), look, ok=result["rc"] == 0))
        elif kind == "twin":
            checks.append(_twin(fabric, pod, rest[0], result, look))
        else:
            through_service.append((pod, result, look))
    return [*checks, *_service_checks(view, through_service, node_addresses or {})]


def _no_answer(result: Mapping[str, Any]) -> str:
    texts = {7: "refused or unreachable", 28: "no answer in time", 124: "no answer in time", None: "not run"}
    return texts.get(result["rc"], f"rc {result['rc']} {str(result['stdout']).strip()[:80]}".strip())


def _ping_text(result: Mapping[str, Any]) -> str:
    too_long = "too long" in result["stdout"]
    return "a reply" if result["rc"] == 0 else "message too long" if too_long else "no reply"


def _reached(pod: Device, other: Device, result: Mapping[str, Any], look: str) -> list[Check]:
    """TCP from pod to pod: the right pod answers and sees the caller's own address. Calling itself, a pod sees itself."""
    where, what = f"pod {pod['name']} ({pod['server']})", f"TCP to pod {other['name']} ({other['server']})"
    found = answers_of(result["stdout"])
    if not found:
        return [check("pod to pod", where, what, f"{other['name']} answers", _no_answer(result), look)]
    return [
        check("pod to pod", where, what, f"{other['name']} answers", f"{found[0]['pod']} answers", look),
        check("source address", where, f"address that {other['name']} sees", pod["address"], found[0]["client"], look),
    ]


def _twin(fabric: Device, pod: Device, kind: str, result: Mapping[str, Any], look: str) -> Check:
    where = f"pod {pod['name']} ({pod['server']})"
    if kind == "size":
        what = f"{fabric['mtu'] + 1} bytes unfragmented"
        return check("negative twin", where, what, "no reply", _ping_text(result), look, ok=result["rc"] not in (0, None))
    found = "an answer" if result["rc"] in (0, 52, 56) else _no_answer(result)
    if kind == "port":
        return check("negative twin", where, "a node port that no service has", "refused", found, look, ok=result["rc"] == REFUSED)
    return check("negative twin", where, "a pod address that nobody has", "no answer", found, look, ok=result["rc"] in (REFUSED, 28))


def _service_checks(view: View, seen: list[tuple[Device, Mapping[str, Any], str]], nodes: Mapping[str, set[str]]) -> list[Check]:
    """Through the ClusterIP all endpoints answer; they see the pod's own address, only a pod that got itself sees its node."""
    checks, reached = [], set()
    for pod, result, look in seen:
        where, found = f"pod {pod['name']} ({pod['server']})", answers_of(result["stdout"])
        reached |= {answer["ip"] for answer in found}
        asked = re.search(r"^asked (\d+)$", result["stdout"], re.MULTILINE)
        complete = asked is not None and len(found) == int(asked[1])
        answered = "all" if complete else f"{len(found)} of {asked[1]}" if found and asked else _no_answer(result) if result["rc"] else "no answer"
        checks.append(check("service", where, "answers through the ClusterIP", "all", answered, look))
        plain = {answer["client"] for answer in found if answer["ip"] != pod["address"]}
        if set(view["service"]["endpoints"]) - {pod["address"]}:
            checks.append(check("source address", where, "address that endpoints see through the ClusterIP", [pod["address"]], sorted(plain), look))
        if pod["address"] in view["service"]["endpoints"]:
            hairpin = {answer["client"] for answer in found if answer["ip"] == pod["address"]}
            known = nodes.get(pod["server"])
            ok = bool(hairpin) and (hairpin <= known if known else pod["address"] not in hairpin)
            checks.append(check("source address", where, "address that it sees when the service gives it itself", "its node's", sorted(hairpin), look, ok=ok))
    if seen:
        endpoints = sorted(view["service"]["endpoints"])
        checks.append(check("service", "service", "endpoints that answered through the ClusterIP", endpoints, sorted(reached), seen[0][2]))
    return checks
