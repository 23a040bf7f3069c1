#!/usr/bin/env python3
"""Break a running lab again and again for some minutes, and watch memory, descriptors, processes and routes: they must stay flat.

`sudo .venv/bin/python tests/faults/soak.py --minutes 60 --seed 1`. Every round kills a daemon, flaps an uplink, deletes pods, announces and withdraws
the service range or makes and removes a deployment, then waits until all sessions and pods are back. Ends with 1 when something did not come
back, or grew: the last rounds' median may be at most a tenth, and a small amount, above that of the first.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.leafspine.calico.tests.integration.helpers import faults, security
from ansible_collections.leafspine.calico.tests.integration.helpers.lab import Lab

# What may be added to a median besides a tenth of it: kB, descriptors, processes, routes.
SLACK = {"memory": 4096, "descriptors": 4, "processes": 4, "routes": 0}


# When each process was killed. What dies more often than its supervisor allows stays dead on purpose: five times in five minutes,
# or, of the API server, eight times without a minute in between.
KILLED: dict[str, list[float]] = defaultdict(list)


def may_die(name: str) -> bool:
    """Within its supervisor's limit."""
    now = time.monotonic()
    if name == "server":
        return not KILLED[name] or now - KILLED[name][-1] > 70
    return len([then for then in KILLED[name] if now - then < 310]) < 4


def kill(lab: Lab, chance: random.Random) -> str:
    """One daemon, or the API server; the supervisor brings it back."""
    name = chance.choice([entry["process"] for entry in faults.health(lab)["processes"] if entry["process"] != "helper" and may_die(entry["process"])])
    KILLED[name].append(time.monotonic())
    for pid in faults.servers_of(lab) if name == "server" else [faults.process_of(lab, name)]:
        os.kill(pid, signal.SIGKILL)
    return f"{name} killed"


def kill_server(lab: Lab, chance: random.Random) -> str:
    if not may_die("server"):
        return kill(lab, chance)
    KILLED["server"].append(time.monotonic())
    for pid in faults.servers_of(lab):
        os.kill(pid, signal.SIGKILL)
    return "server killed"


def flap(lab: Lab, chance: random.Random) -> str:
    router, port = chance.choice(["leaf0", "leaf1"]), chance.choice(["eth1", "eth2"])
    for state in ("down", "up"):
        subprocess.run(["ip", "-n", f"clab-{lab.name}-{router}", "link", "set", "dev", port, state], check=True)
        time.sleep(1)
    return f"{router} {port} down and up"


def must(lab: Lab, *command: str) -> None:
    """A command that works: what did nothing would leave everything flat."""
    done = lab.tool(*command, timeout=150)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"


def churn(lab: Lab, _chance: random.Random) -> str:
    must(lab, "kubectl", "delete", "pods", "-l", "app=app", "--wait=false")
    return "all pods of the app deleted"


def deployment(lab: Lab, chance: random.Random) -> str:
    count = chance.randint(2, 12)
    must(lab, "kubectl", "create", "deployment", "soak", "--image=leafspine/nettool:1", f"--replicas={count}")
    must(lab, "kubectl", "rollout", "status", "deployment/soak", "--timeout=120s")
    must(lab, "kubectl", "delete", "deployment", "soak")
    return f"a deployment of {count} made and deleted"


def announce(lab: Lab, _chance: random.Random) -> str:
    for value in ('[{"cidr": "10.96.0.0/16"}]', "null"):
        must(lab, "calicoctl", "patch", "BGPConfiguration", "default", "--patch", f'{{"spec": {{"serviceClusterIPs": {value}}}}}')
        time.sleep(1)
    return "the service range announced and withdrawn"


FAULTS: list[Callable[[Lab, random.Random], str]] = [kill, kill_server, flap, churn, deployment, announce]


def routes() -> int:
    count = 0
    for name in sorted(os.listdir("/run/netns")):
        if not name.startswith("cni-"):
            done = subprocess.run(["ip", "-n", name, "-4", "route", "show", "table", "main"], capture_output=True, text=True, check=False)
            count += len([line for line in done.stdout.splitlines() if not line.startswith(("\t", " "))])
    return count


def measure(lab: Lab) -> dict[str, float]:
    """Memory and descriptors by kind of daemon, and how many processes and routes there are."""
    found: dict[str, float] = defaultdict(float)
    for entry in faults.health(lab)["processes"]:
        kind = entry["process"].rpartition("-")[2]
        pids = faults.servers_of(lab) if kind == "server" else faults.helper_of(lab) if kind == "helper" else [entry["pid"]]
        for pid in pids:
            with contextlib.suppress(OSError, TypeError):
                found[f"memory {kind}"] += security.resident(pid)
                found[f"descriptors {kind}"] += len(os.listdir(f"/proc/{pid}/fd"))
    found["processes"] = sum(1 for path in Path("/proc").glob("[0-9]*"))
    found["routes"] = routes()
    return dict(found)


def grew(samples: list[dict[str, float]]) -> list[str]:
    """What is higher at the end than at the beginning, in words."""
    third = max(1, len(samples) // 3)
    found = []
    for key in samples[0]:
        first, last = (statistics.median(sample.get(key, 0) for sample in part) for part in (samples[:third], samples[-third:]))
        if last > first * 1.1 + SLACK[key.split()[0]]:
            found.append(f"{key}: {first:g} at first, {last:g} at the end")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="faults and pod churn for some minutes: nothing may grow")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    samples: list[dict[str, float]] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(
            "tg-soak", Path(folder), octet=137, management="172.29.37.0/24", bridge_prefix="tgs-", changes={"bgp": {"bfd": {"interval": 500, "multiplier": 10}}}
        )
        try:
            outcome = lab.play("site", timeout=1200)
            if outcome.rc != 0:
                print(outcome)
                return 1
            end = time.monotonic() + given.minutes * 60
            while time.monotonic() < end and not wrong:
                began = time.monotonic()
                what = "a fault"
                try:
                    what = chance.choice(FAULTS)(lab, chance)
                    faults.until("sessions", lambda: len(faults.sessions(lab)) == 12, 180)
                    faults.until("pods", lambda: faults.pod_count(lab) == 8, 180)
                    faults.until("daemons", lambda: faults.health(lab)["healthy"], 60)
                    samples.append(measure(lab))
                except AssertionError as error:
                    wrong.append(f"after {what}: {error}")
                print(f"{len(samples):4} {what}: whole after {time.monotonic() - began:.1f} s", flush=True)
        finally:
            lab.play("destroy")
    wrong += grew(samples) if len(samples) >= 6 else ["fewer than six rounds: too few to tell"]
    for key in sorted(samples[0]) if samples else []:
        values = [sample.get(key, 0) for sample in samples]
        print(f"{key:<22} first {values[0]:>9g} median {statistics.median(values):>9g} last {values[-1]:>9g} most {max(values):>9g}")
    print("\n".join(wrong) or f"flat over {len(samples)} rounds")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
