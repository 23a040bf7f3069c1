"""Times a lab and prints where the time goes: site from nothing, a second run, destroy, and the memory of the running lab.

Called by ``./lab bench``. The lab of the inventory must not be running; it is built and destroyed ``--runs`` times. Nothing is judged here:
the bounds are printed beside the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.leafspine.calico.plugins.module_utils.intent import load
from ansible_collections.leafspine.calico.tests.integration.helpers.lab import parse_report

# Seconds on 2 cores: what is allowed, and what is aimed at.
BOUNDS = {"site": (45, 15), "second run": (25, 8), "destroy": (5, 2)}
MEMORY_BOUND_MB = 400
SHOWN_TASKS = 10


def sudo() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo", "-n"]


def read_intent(inventory: str) -> dict[str, Any]:
    path = Path(inventory)
    path = path / "fabric.yml" if path.is_dir() else path
    intent, problems = load(path.read_text(encoding="utf-8"))
    if intent is None:
        sys.exit("\n".join(f"{path}: {problem}" for problem in problems))
    return intent


def play(inventory: str, playbook: str, *options: str) -> tuple[float, dict[str, Any]]:
    """Seconds that a playbook took, and its report. Ends the program when the playbook fails."""
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_NOCOLOR": "1"}
    command = [str(ROOT / ".venv/bin/ansible-playbook"), "-i", inventory, str(ROOT / f"playbooks/{playbook}.yml"), *options]
    with tempfile.TemporaryFile("w+") as out:
        started = time.monotonic()
        rc = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=ROOT, check=False).returncode
        seconds = time.monotonic() - started
        out.seek(0)
        text = out.read()
    if rc != 0:
        sys.exit(f"bench: {playbook} failed (rc {rc}):\n{text[-3000:]}")
    return seconds, parse_report(text)


def task_seconds(report: dict[str, Any]) -> dict[str, float]:
    """Seconds by task, named "role : task"."""
    spent: dict[str, float] = defaultdict(float)
    for entry in report.get("plays", []):
        for task in entry["tasks"]:
            duration = task["task"]["duration"]
            if duration.get("end"):
                start, end = (datetime.fromisoformat(duration[key].replace("Z", "+00:00")) for key in ("start", "end"))
                spent[task["task"]["name"].removeprefix("leafspine.calico.")] += (end - start).total_seconds()
    return dict(spent)


def by_role(tasks: dict[str, float]) -> dict[str, float]:
    roles: dict[str, float] = defaultdict(float)
    for name, seconds in tasks.items():
        roles[name.split(" : ")[0] if " : " in name else "(playbook)"] += seconds
    return dict(roles)


def memory(intent: dict[str, Any]) -> list[dict[str, Any]]:
    script = str(Path(__file__).with_name("memory.py"))
    done = subprocess.run([*sudo(), sys.executable, script, intent["lab_name"], intent["cluster"]["name"]], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found


def settle(seconds: float) -> None:
    """Timers of BGP and of probes are part of a running lab; the rush of its start is not."""
    time.sleep(seconds)


def show_times(times: dict[str, list[float]]) -> None:
    print(f"\n{'':<12} {'min':>7} {'median':>7} {'max':>7}   {'bound':>6} {'ratio':>6}   {'aim':>5} {'ratio':>6}   (seconds; ratios of the median)")
    for name, values in times.items():
        bound, aim = BOUNDS[name]
        median = statistics.median(values)
        figures = f"{min(values):>7.1f} {median:>7.1f} {max(values):>7.1f}   {bound:>6} {median / bound:>6.2f}   {aim:>5} {median / aim:>6.2f}"
        print(f"{name:<12} {figures}")


def show_memory(samples: list[list[dict[str, Any]]]) -> None:
    totals = [(sum(entry["pss_mb"] for entry in sample), sum(entry["rss_mb"] for entry in sample)) for sample in samples]
    pss, rss = (statistics.median(values) for values in zip(*totals, strict=True))
    print(f"\nmemory of the running lab: RSS {rss:.0f} MB, PSS {pss:.0f} MB; bound {MEMORY_BOUND_MB} MB, ratio of RSS {rss / MEMORY_BOUND_MB:.2f}")
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in samples[-1]:
        groups[entry["process"]].append(entry)
    print(f"  {'process':<44} {'number':>6} {'RSS MB':>8} {'PSS MB':>8}")
    for name, entries in sorted(groups.items(), key=lambda group: -sum(entry["rss_mb"] for entry in group[1])):
        print(f"  {name[:44]:<44} {len(entries):>6} {sum(e['rss_mb'] for e in entries):>8.1f} {sum(e['pss_mb'] for e in entries):>8.1f}")


def show_spent(name: str, total: float, tasks: dict[str, float]) -> None:
    """Where the last run's time went; what is in no task is Ansible's start, inventory and play changes."""
    print(f"\nwhere the time goes, {name} ({total:.1f} s)")
    roles = by_role(tasks)
    for role, seconds in sorted({**roles, "(between tasks)": max(0.0, total - sum(roles.values()))}.items(), key=lambda item: -item[1]):
        print(f"  {seconds:>6.1f} s  {seconds / total:>4.0%}  {role}")
    print("  slowest tasks:")
    for task, seconds in sorted(tasks.items(), key=lambda item: -item[1])[:SHOWN_TASKS]:
        print(f"  {seconds:>6.1f} s        {task}")


def measure(inventory: str, intent: dict[str, Any], runs: int, options: list[str]) -> dict[str, Any]:
    """Build, run again, weigh and destroy ``runs`` times."""
    times: dict[str, list[float]] = {name: [] for name in BOUNDS}
    samples: list[list[dict[str, Any]]] = []
    spent: dict[str, dict[str, float]] = {}
    for run in range(1, runs + 1):
        for name, playbook in (("site", "site"), ("second run", "site"), ("destroy", "destroy")):
            if name == "destroy":
                settle(5)
                samples.append(memory(intent))
            seconds, report = play(inventory, playbook, *options)
            times[name].append(seconds)
            spent[name] = task_seconds(report)
            print(f"run {run}: {name} {seconds:.1f} s", flush=True)
    return {"times": times, "memory": samples, "spent": spent}


def main() -> int:
    parser = argparse.ArgumentParser(prog="lab bench", description=__doc__)
    parser.add_argument("-i", "--inventory", default="inventories/embedded")
    parser.add_argument("--runs", type=int, default=3, help="how often the lab is built and destroyed (default 3)")
    parser.add_argument("--json", metavar="FILE", help="keep all figures there")
    parser.add_argument("-e", "--extra-vars", action="append", default=[], help="variables for the playbooks")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error(f"--runs {arguments.runs}: at least 1 is needed")
    intent = read_intent(arguments.inventory)
    options = [word for value in arguments.extra_vars for word in ("-e", value)]
    if memory(intent):
        sys.exit(f"bench: lab {intent['lab_name']} is running; take it down first: ./lab down")
    load_average = os.getloadavg()[0]
    print(f"lab {intent['lab_name']}, {os.cpu_count()} cores, {platform.platform()}, load {load_average:.2f}, {arguments.runs} runs")
    if load_average > 0.5:
        print("the machine is busy with other things; the figures will be too high")
    # Packages and the Python environment are there before the clock starts.
    play(arguments.inventory, "site", "--tags", "preflight", *options)
    play(arguments.inventory, "destroy", *options)
    figures = measure(arguments.inventory, intent, arguments.runs, options)
    show_times(figures["times"])
    show_memory(figures["memory"])
    for name in BOUNDS:
        show_spent(name, figures["times"][name][-1], figures["spent"][name])
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
