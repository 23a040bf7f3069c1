"""A picture of everything on this host that a lab could leave behind or disturb, and the difference of two pictures.

A snapshot maps a place ("link br-leaf0", "file /etc/hosts") to its state. What changes by itself is left out: counters, timers,
lifetimes, indices, and which links have carrier.
``snapshot.py take FILE`` writes one, ``snapshot.py compare FILE`` fails with what differs.
Environment variable SNAPSHOT_IGNORE: a regular expression for lines of a difference that are somebody else's, for a machine that is busy with
other things at the same time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Snapshot = dict[str, str]

# Folders whose files are compared with content and mode.
FOLDERS = ("/run/leafspine", "/var/lib/leafspine", "/run/netns", "/etc")
# Folders that daemons write into; files are compared by name and mode.
NAMES_ONLY = ("/run/frr", "/run/bird", "/var/tmp/frr", "/var/log/frr", "/dev/shm")
# Records of what was seen of a lab, no part of it; their lab's folder is looked at.
RESULTS = re.compile(r"/var/lib/leafspine/[^/]+/results(/|$)")
SYSCTLS = (
    "net/ipv4/conf/all/*",
    "net/ipv4/conf/default/*",
    "net/ipv6/conf/all/*",
    "net/ipv6/conf/default/*",
    "net/ipv4/ip_forward",
    "net/ipv4/fib_multipath_*",
    "net/ipv4/neigh/default/gc_thresh*",
    "net/bridge/*",
    "net/core/[rw]mem_*",
    "fs/inotify/*",
    "fs/file-max",
    "kernel/pid_max",
    "vm/max_map_count",
)
# Details of a link that say how it is made; the rest (timers, statistics, indices) changes by itself.
LINK_KEYS = ("mtu", "master", "ifalias", "address", "inet6_addr_gen_mode", "group", "link_netnsid")
KIND_DATA = ("forward_delay", "stp_state", "vlan_filtering", "mode", "state", "hairpin", "isolated")
# Ansible keeps a process for each router's and each remote lab host's SSH connection, which ends by itself some time after the playbook.
# A playbook that takes the picture has a process that holds the lab's lock.
CONTROLLER = re.compile(r"ansible_connection_cli_stub|\.ansible/cp/|/ansible-playbook ")
LASTING_FLAGS = {"UP", "PROMISC", "ALLMULTI", "NOARP"}


def run(*command: str) -> str:
    """Standard output of a command that must succeed."""
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def take() -> Snapshot:
    """The picture of this moment; takes about half a second."""
    names = sorted(path.name for path in Path("/run/netns").iterdir()) if Path("/run/netns").is_dir() else []
    picture: Snapshot = {}
    for name in ["", *names]:
        picture.update(network(name))
    for part in (firewall, sysctls, processes, files):
        picture.update(part())
    return picture


def difference(before: Snapshot, after: Snapshot) -> list[str]:
    """Both directions, one line a place: ``+`` appeared, ``-`` gone, ``~`` changed."""
    lines = [f"- {place}: {before[place]}" for place in sorted(before.keys() - after.keys())]
    lines += [f"+ {place}: {after[place]}" for place in sorted(after.keys() - before.keys())]
    lines += [f"~ {place}: {before[place]} -> {after[place]}" for place in sorted(before.keys() & after.keys()) if before[place] != after[place]]
    ignore = os.environ.get("SNAPSHOT_IGNORE")
    return [line for line in lines if not (ignore and re.search(ignore, line))]


# --- links, addresses, routes ----------------------------------------------------------------------------------------------


def network(namespace: str) -> Snapshot:
    """Links, addresses, routes and rules of a named network namespace, or of the host's own ("")."""
    where = f"{namespace}: " if namespace else ""
    ip = ["ip", "-n", namespace] if namespace else ["ip"]
    try:
        links = json.loads(run(*ip, "-j", "-d", "address", "show") or "[]")
        tables = [(family, table, run(*ip, "-o", family, *table.split())) for family in ("-4", "-6") for table in ("route show table all", "rule show")]
    except subprocess.CalledProcessError as error:
        # Gone since the list was made, or a file that is no namespace.
        return {f"namespace {namespace}": error.stderr.strip()}
    picture: Snapshot = {f"namespace {namespace}": "there"} if namespace else {}
    for link in links:
        picture[f"link {where}{link['ifname']}"] = link_state(link)
        for info in link.get("addr_info", []):
            picture[f"address {where}{link['ifname']} {info['local']}/{info['prefixlen']}"] = info["scope"]
    for family, table, text in tables:
        for line in text.splitlines():
            lasting = re.sub(r" (expires|age|users|used|error|cache) \S+|\b(linkdown|dead)\b", "", line)
            # One line a route; the order of its next hops is the kernel's business.
            route, *hops = (" ".join(part.split()) for part in lasting.replace("\\", "").split("nexthop"))
            picture[f"{table.split()[0]} {where}{family} {' nexthop '.join([route, *sorted(hops)])}"] = "there"
    return picture


def link_state(link: dict[str, Any]) -> str:
    info = link.get("linkinfo", {})
    state = {key: link[key] for key in LINK_KEYS if key in link}
    state["flags"] = sorted(LASTING_FLAGS & set(link.get("flags", [])))
    for kind in ("info_kind", "info_slave_kind"):
        if kind in info:
            state[kind] = info[kind]
    for data in ("info_data", "info_slave_data"):
        state.update({key: value for key, value in info.get(data, {}).items() if key in KIND_DATA})
    return json.dumps(state, sort_keys=True)


# --- firewall, sysctls -------------------------------------------------------------------------------------------------------


def firewall() -> Snapshot:
    """Rules of nftables and of iptables, each with the number of times it is there.

    Chains that hold no rule and accept are left out: the first rule that iptables ever adds makes its tables, and removing the rule leaves them.
    """
    picture: Snapshot = {}
    for place, text in (("nft", run("nft", "list", "ruleset")), ("iptables", run("iptables-save")), ("ip6tables", run("ip6tables-save"))):
        lines = list(nft_rules(text) if place == "nft" else iptables_rules(text))
        picture.update({f"{place} {line}": f"{count} times" for line, count in Counter(lines).items()})
    return picture


def nft_rules(text: str) -> Iterator[str]:
    """Every line of a ruleset with its table and chain before it; counters, handles and empty accepting chains left out."""
    path: list[str] = []
    for line in (raw.strip() for raw in text.splitlines()):
        if line.endswith("{"):
            path.append(line.removesuffix("{").strip())
            if path[-1].startswith(("set", "map", "flowtable")):
                yield " / ".join(path)
        elif line == "}":
            path.pop()
        elif line and not (line.startswith("type ") and line.endswith("policy accept;")) and not line.startswith("#"):
            yield " / ".join([*path, re.sub(r"counter packets \d+ bytes \d+", "counter", line)])


def iptables_rules(text: str) -> Iterator[str]:
    """Rules and chains of iptables-save with their table; counters and built-in chains that accept are left out."""
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A"):
            yield f"{table} {line}"
        elif line.startswith(":") and " ACCEPT " not in line:
            yield f"{table} {line.split('[')[0].strip()}"


def sysctls() -> Snapshot:
    """Values of the kernel's settings in SYSCTLS."""
    picture: Snapshot = {}
    for pattern in SYSCTLS:
        for path in Path("/proc/sys").glob(pattern):
            try:
                picture[f"sysctl {path.relative_to('/proc/sys')}"] = " ".join(path.read_text().split())
            except OSError:
                continue
    return picture


# --- processes, files ----------------------------------------------------------------------------------------------------------


def processes() -> Snapshot:
    """Command lines of processes that nobody waits for (children of init) or that are in another network namespace, with their number.

    What has another parent is part of a session, this one or another, and goes with it.
    """
    host = os.stat("/proc/self/ns/net").st_ino
    lines: list[str] = []
    for path in Path("/proc").iterdir():
        if not path.name.isdigit():
            continue
        try:
            words = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            foreign = os.stat(path / "ns/net").st_ino != host
        except OSError:
            continue
        if words[0] and (parent == 1 or foreign) and not CONTROLLER.search(" ".join(words)):
            lines.append(" ".join(words).strip()[:200])
    return {f"process {line}": f"{count} times" for line, count in Counter(lines).items()}


def files() -> Snapshot:
    """Files, folders and links below FOLDERS with their content's checksum, and below NAMES_ONLY without."""
    picture: Snapshot = {}
    for folder in (*FOLDERS, *NAMES_ONLY):
        for path in [Path(folder), *Path(folder).rglob("*")]:
            if RESULTS.match(str(path)):
                continue
            try:
                picture[f"file {path}"] = file_state(path, content=folder in FOLDERS)
            except OSError:
                continue
    return picture


def file_state(path: Path, *, content: bool) -> str:
    status = path.lstat()
    mode = stat.filemode(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return f"{mode} -> {os.readlink(path)}"
    # Logs and journals grow while their daemons run.
    if content and path.suffix not in (".log", ".jsonl") and stat.S_ISREG(status.st_mode) and status.st_dev == os.stat(path.parent).st_dev:
        return f"{mode} {status.st_size} bytes {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    return mode


def main(verb: str, file: str) -> int:
    """Exit code 1 and a line a difference when this host is not as it was."""
    if verb == "take":
        Path(file).write_text(json.dumps(take()))
        return 0
    differs = difference(json.loads(Path(file).read_text()), take())
    print("\n".join(differs))
    return 1 if differs else 0


if __name__ == "__main__" and len(sys.argv) == 3:
    sys.exit(main(*sys.argv[1:]))
