#!/usr/bin/env python3
"""Kill site.yml, destroy.yml and the drop-ins at random moments, many times; the next run must make the lab whole every time.

`sudo .venv/bin/python tests/faults/killed.py --rounds 30 --seed 1` prints a line a round and ends with 1 when a lab was not whole afterwards
or something was left behind at the end. Takes about a minute a round on an idle machine; round n of a seed is always the same. In every fifth
round site.yml runs once more, and changes nothing; in every round there are as many namespaces, links, bridges and daemons as at first.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.leafspine.calico.tests.integration.helpers import faults, snapshot
from ansible_collections.leafspine.calico.tests.integration.helpers.kill import killed_run
from ansible_collections.leafspine.calico.tests.integration.helpers.lab import Lab

AGAIN = 5


def amount(lab: Lab) -> dict[str, int]:
    """How many of each kind of thing the machine and the lab have: what a killed run left would be one too many."""
    links = json.loads(subprocess.run(["ip", "-j", "link", "show"], capture_output=True, text=True, check=True).stdout)
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return {
        "namespaces": len(os.listdir("/run/netns")),
        "links of the host": len(links),
        "daemons": len(faults.health(lab)["processes"]),
        "mounts": len({place for place in mounts if place.startswith(("/run/leafspine", "/run/netns"))}),
    }


def whole(lab: Lab, once_more: bool) -> str:
    """ "" when the lab is what its inventory says, else what is wrong."""
    outcome = lab.play("site", timeout=1200)
    if outcome.rc != 0:
        return f"site failed: {outcome}"[:600]
    try:
        faults.until("sessions", lambda: len(faults.sessions(lab)) == 12, 120)
        faults.until("pods", lambda: faults.pod_count(lab) == 8, 120)
        faults.until("daemons", lambda: faults.health(lab)["healthy"], 30)
    except AssertionError as error:
        return str(error)
    if not once_more:
        return ""
    again = lab.play("site", timeout=1200)
    return "" if again.rc == 0 and not again.changed() else f"a second run changed {again.changed()[:3]}: {again}"[:600]


def orphans(lab: Lab, usual: dict[str, int]) -> str:
    """ "" when there is as much as in an untouched lab, at the latest ten seconds after the run; else what there is more or less of."""
    try:
        faults.until("as much as at first", lambda: amount(lab) == usual, 10)
    except AssertionError:
        return f"there are {amount(lab)}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description="kill runs at random moments and see whether the next one repairs everything")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="number of the first round")
    parser.add_argument("--longest", type=float, default=25.0, help="seconds within which a run is killed; about what site.yml takes here")
    given = parser.parse_args()
    bad = late = 0
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab("tg-kill", Path(folder), octet=136, management="172.29.36.0/24", bridge_prefix="tgk-")
        lab.play("destroy")
        before = snapshot.take()
        first = whole(lab, False)
        if first:
            print(f"the lab does not come up untouched: {first}")
            return 1
        usual = amount(lab)
        print(f"untouched: {usual}", flush=True)
        for number in range(given.first, given.first + given.rounds):
            began = time.monotonic()
            what = killed_run(lab, random.Random(f"{given.seed}/{number}"), given.longest)
            wrong = whole(lab, number % AGAIN == 0) or orphans(lab, usual)
            bad += bool(wrong)
            late += "ended before" in what
            print(f"{number:3} {'NOT WHOLE' if wrong else 'whole':<9} {what} ({time.monotonic() - began:.0f} s){f': {wrong}' if wrong else ''}", flush=True)
        lab.play("destroy")
        left = [line for line in snapshot.difference(before, snapshot.take()) if "tg-kill" in line or "tgk-" in line or "cni-" in line]
    print(f"{given.rounds - bad} of {given.rounds} made whole by the next run, {late} of them had ended before they were to be killed")
    print(f"left behind after destroy: {len(left)}")
    print("\n".join(left))
    return 1 if bad or left else 0


if __name__ == "__main__":
    sys.exit(main())
