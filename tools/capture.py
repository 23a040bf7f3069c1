"""`./lab capture DEVICE INTERFACE... [DEVICE INTERFACE...] [-- FILTER]`: packets of several links at once.

A router is reached by its command line over SSH, a node by `lab_node_exec`, a pod by the API's exec; tcpdump runs there, bounded by time and
number of packets, and nothing stays. Packets are shown as they come, kept as pcap files, and summarised; for a leaf the uplink that the
kernels foresee stands beside the one that was seen.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import lab_access
import yaml

# isort: split
from ansible_collections.leafspine.calico.plugins.module_utils import captures, flows
from ansible_collections.leafspine.calico.plugins.module_utils.captures import Packet

GRACE = 3.0  # seconds for the ends after the bound or Control-C


def parse(argv: list[str], intent: dict[str, Any]) -> argparse.Namespace:
    """The command line: {links: [(device, interface)], expression, seconds, count, folder}. Ends the program for a wrong one."""
    before, expression = (argv[: argv.index("--")], " ".join(argv[argv.index("--") + 1 :])) if "--" in argv else (argv, "")
    parser = argparse.ArgumentParser(prog="lab capture", description=__doc__.splitlines()[0])
    parser.add_argument("places", nargs="+", help="a device and its interfaces, several times: leaf0 eth1 eth2 worker net0; a pod by its name: eth0")
    parser.add_argument("--seconds", type=int, default=30, help="end after so long (default 30, at most 600)")
    parser.add_argument("--count", type=int, default=1000, help="end a link after so many packets (default 1000)")
    parser.add_argument("--write", type=Path, default=Path("captures"), help="folder of the pcap files (default captures)")
    given = parser.parse_args(before)
    if not 1 <= given.seconds <= 600 or not 1 <= given.count <= 999999:
        sys.exit("lab: --seconds takes 1 to 600, --count 1 to 999999")
    if re.search(r"['\"\n\\]", expression):
        sys.exit(f"lab: a filter has no quotes: {expression}")
    given.expression, given.links = expression, []
    device = ""
    for word in given.places:
        if re.fullmatch(r"(eth|net|lo|any|cali)[0-9a-f]*", word):
            if not device:
                sys.exit(f"lab: {word} of which device? ./lab capture leaf0 eth1")
            given.links.append((device, word))
        else:
            device = word
    known = {router["name"]: {one["name"] for one in router["interfaces"]} | {router["management"]["interface"]} for router in intent["routers"]}
    for name, interface in given.links:
        if name in known and interface not in known[name]:
            sys.exit(f"lab: {name} has no {interface}; it has {', '.join(sorted(known[name]))}")
    if not given.links:
        sys.exit("lab: which interfaces? ./lab capture leaf0 eth1 eth2 -- icmp")
    return given


class Place:
    """A device as captures reach it: how to start a program there whose output is read, and how to end it."""

    def __init__(self, intent: dict[str, Any], inventory: str, device: str) -> None:
        self.intent, self.device = intent, device
        self.ways = contextlib.ExitStack()
        routers = {router["name"]: router for router in intent["routers"]}
        servers = {server[key]: server for server in intent["servers"] for key in ("name", "node")}
        self.router = routers.get(device)
        self.prefix: list[str] = []
        if self.router is None and device in servers:
            prefix = node_exec(inventory)
            if not prefix:
                sys.exit(f"lab: there is no way to run commands on {device} here (lab_node_exec is empty)")
            self.prefix = lab_access.with_environment(intent, [word.replace("{node}", servers[device]["node"]) for word in prefix])
        elif self.router is None:
            pods = {item["metadata"]["name"]: item["metadata"]["namespace"] for item in pods_of(intent)}
            if device not in pods:
                sys.exit(f"lab: no device {device}; there are {', '.join([*routers, *(server['name'] for server in intent['servers']), *pods])}")
            self.prefix = lab_access.with_environment(intent, ["kubectl", "-n", pods[device], "exec", device, "--"])

    def start(self, words: list[str], mark: str) -> subprocess.Popen[str]:
        """Start a program; a mark tells it from others on that device."""
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace", "start_new_session": True}
        if self.router is None:
            script = f"echo $$ >/tmp/{mark}; exec {shlex.join(words)}"
            return subprocess.Popen([*self.prefix, "sh", "-c", script], stdin=subprocess.DEVNULL, **pipes)
        argv, environment = self.ways.enter_context(lab_access.ssh(self.intent, self.router))
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, env=environment, **pipes)
        assert process.stdin is not None
        process.stdin.write("sudo " + " ".join(f"'{word}'" if re.search(r"[^\w.:/-]", word) else word for word in words) + "\nexit\n")
        process.stdin.flush()
        return process

    def stop(self, process: subprocess.Popen[str], mark: str) -> None:
        """End the program on the device, and its way there."""
        if self.router is None:
            script = f"kill -INT $(cat /tmp/{mark}) 2>/dev/null; rm -f /tmp/{mark}"
            subprocess.run([*self.prefix, "sh", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
        elif process.poll() is None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.write("\x03")
                process.stdin.flush()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()


def node_exec(inventory: str) -> list[str]:
    """The inventory's `lab_node_exec`."""
    folder = Path(inventory) if Path(inventory).is_dir() else Path(inventory).parent
    for path in sorted((folder / "group_vars" / "all").glob("*.yml")):
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        if "lab_node_exec" in values:
            return list(values["lab_node_exec"])
    return []


class Link:
    """One capture: packets as they come."""

    def __init__(self, place: Place, interface: str, words: list[str], show: Any) -> None:
        self.place, self.interface = place, interface
        self.name = f"{place.device} {interface}"
        self.mark = f"leafspine-capture-{os.getpid()}-{place.device}-{interface}"
        self.packets: list[Packet] = []
        self.said: list[str] = []
        self.listening = threading.Event()
        self.process = place.start(words, self.mark)
        self.thread = threading.Thread(target=self._read, args=(show,), daemon=True)
        self.thread.start()

    def _read(self, show: Any) -> None:
        reader = captures.Reader()
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "listening on" in line:
                self.listening.set()
            packet = reader.feed(line.rstrip("\r\n"))
            self._take(packet, show)
            if not line.startswith(("\t", " ")):
                self.said = [*self.said[-4:], line.strip()]
        self._take(reader.end(), show)
        self.listening.set()

    def _take(self, packet: Packet | None, show: Any) -> None:
        if packet is not None:
            self.packets.append(packet)
            show(self.name, packet)

    def end(self) -> None:
        self.place.stop(self.process, self.mark)
        self.thread.join(GRACE)


def shower(width: int) -> Any:
    """Prints packets, one at a time."""
    lock = threading.Lock()

    def show(link: str, packet: Packet) -> None:
        with lock:
            at = time.strftime("%H:%M:%S", time.localtime(packet.seconds))
            print(f"{at}.{packet.micro:06d}  {link:<{width}}  {packet.text}", flush=True)

    return show


def main() -> int:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("-i", "--inventory", required=True)
    own, rest = parser.parse_known_args(sys.argv[1:3])
    intent = lab_access.read_intent(own.inventory)
    given = parse([*rest, *sys.argv[3:]], intent)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    places = {device: Place(intent, own.inventory, device) for device, _interface in given.links}
    show = shower(max(len(" ".join(link)) for link in given.links))
    links = [
        Link(places[device], interface, captures.command(interface, given.expression, given.seconds, given.count), show) for device, interface in given.links
    ]
    deadline = time.monotonic() + given.seconds + GRACE
    while not stop.is_set() and time.monotonic() < deadline and any(link.process.poll() is None for link in links):
        stop.wait(0.1)
    for link in links:
        link.end()
    for place in places.values():
        place.ways.close()
    silent = [link for link in links if not any("listening on" in text or "packets captured" in text for text in link.said) and not link.packets]
    for link in silent:
        print(f"lab: {link.name}: {' / '.join(link.said) or 'no answer'}", file=sys.stderr)
    report(intent, given, {link.name: link.packets for link in links})
    return 1 if silent else 0


def report(intent: dict[str, Any], given: argparse.Namespace, found: dict[str, list[Packet]]) -> None:
    """pcap files, and the summary with the uplinks that kernels foresee."""
    given.write.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%S")
    told = captures.summary(found)
    print()
    for link, numbers in told["links"].items():
        path = given.write / f"{stamp}-{link.replace(' ', '-')}.pcap"
        path.write_bytes(captures.pcap(found[link]))
        print(f"{link}: {numbers['packets']} packets, {numbers['requests']} requests, {numbers['replies']} replies, {numbers['flows']} flows  {path}")
    ways = foreseen(intent, given.links, told["flows"])
    watched = {f"{device} {interface}" for device, interface in uplinks_of(intent) if (device, interface) in given.links}
    for one in told["flows"]:
        flow = one["flow"]
        for title, direction, seen in (("requests", flow, one["links"]), ("replies", flow.back(), one["back_links"])):
            text = ways.get(direction)
            beside = "" if text is None else f", foreseen {text}" + ("" if text == "any" or not {*seen} & watched or text in seen else "  DIFFERENT")
            print(f"  {flow}: {title} seen on {', '.join(seen) or 'no link'}{beside}")


def foreseen(intent: dict[str, Any], links: list[tuple[str, str]], found: list[dict[str, Any]]) -> dict[captures.Flow, str]:
    """Uplink of a captured leaf ("leaf0 eth1") by direction of a flow, as the kernel of the leaf that decides says; "any" where none can."""
    leaves = {router["name"]: router for router in intent["routers"] if router["role"] == "leaf"}
    watched = {device for device, interface in links if (device, interface) in uplinks_of(intent)}
    if len(watched) != 1:
        return {}
    mine = leaves[watched.pop()]
    servers = {server["node"]: server["leaf"] for server in intent["servers"]}
    home = {server["address"]: server["leaf"] for server in intent["servers"]}
    home |= {item["status"].get("podIP"): servers.get(item["spec"].get("nodeName")) for item in pods_of(intent)}
    asked: dict[str, list[tuple[captures.Flow, str]]] = {}
    ways: dict[captures.Flow, str] = {}
    for direction in [way for one in found for way in (one["flow"], one["flow"].back())]:
        first, last = home.get(direction.source), home.get(direction.target)
        if first is None or last is None or mine["name"] not in (first, last) or first == last:
            continue
        command = captures.way(direction, flows.rack_port(leaves[first]), leaves[first]["layer4_hashing"])
        if command is None:
            ways[direction] = "any"
        else:
            asked.setdefault(first, []).append((direction, command))
    ours = flows.uplinks(mine)
    for name, questions in asked.items():
        try:
            answers = lab_access.ask_router(intent, leaves[name], [command for _direction, command in questions])
        except OSError as error:
            print(f"lab: {name}: {error}", file=sys.stderr)
            continue
        spines = {interface: spine for spine, interface in flows.uplinks(leaves[name]).items()}
        for (direction, _command), answer in zip(questions, answers, strict=True):
            device = flows.device(answer)
            interface = device if name == mine["name"] else ours.get(spines.get(device or "", ""))
            if interface:
                ways[direction] = f"{mine['name']} {interface}"
    return ways


def uplinks_of(intent: dict[str, Any]) -> set[tuple[str, str]]:
    """Every leaf's uplinks: (device, interface)."""
    return {(leaf["name"], one["name"]) for leaf in intent["routers"] if leaf["role"] == "leaf" for one in leaf["interfaces"] if one["kind"] == "uplink"}


def pods_of(intent: dict[str, Any]) -> list[dict[str, Any]]:
    """All pods; none when there is no API to ask."""
    return (lab_access.kubernetes(intent, ["pods"]) or {"pods": []})["pods"]


if __name__ == "__main__":
    sys.exit(main())
