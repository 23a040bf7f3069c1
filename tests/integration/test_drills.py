"""Drills on a lab of their own: a selection runs and holds, the probes count exactly, a drill that breaks off leaves the lab as it was; captures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leafspine.calico.tests.integration.helpers.lab import ROOT, Lab

pytestmark = [pytest.mark.root, pytest.mark.soak]
NAME = "tg-drills"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab(NAME, tmp_path_factory.mktemp(NAME), octet=146, management="172.29.46.0/24", bridge_prefix="tgd-")
    made.play("destroy")  # what a run that was cut off has left
    built = made.play("site", timeout=900)
    assert built.rc == 0, str(built)
    yield made
    made.play("destroy")


def drill(lab: Lab, names: str, *options: str) -> Any:
    return lab.play("drill", "-e", f"drill_name={names}", *options, timeout=900)


def result(lab: Lab, name: str, run: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((lab.results / f"drill-{name}-{run}.json").read_text(encoding="utf-8"))
    return found


def configuration(lab: Lab, router: str) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((Path("/run/leafspine/labs") / NAME / "routers" / router / "running.json").read_text())["tree"]
    return tree


def test_unknown_names_are_refused_with_the_known_ones(lab: Lab) -> None:
    refused = drill(lab, "uplink,earthquake")
    assert refused.rc != 0
    assert any("earthquake" in line and "bird-killed" in line for line in refused.failures()), str(refused)


def test_a_selection_holds(lab: Lab) -> None:
    """What a node's firewall drops on purpose is counted exactly; graceful restart keeps every route; a leaf starts anew."""
    done = drill(lab, "detector,bird-killed,leaf-restarted")
    assert done.rc == 0, str(done)
    detector = result(lab, "detector")
    lost = {(flow["port"], flow["direction"]): flow["lost"] for flow in detector["flows"] if flow["lost"]}
    assert sorted(lost.values()) == [25]
    assert [one["found"]["lost"] for one in detector["bound"]] == [0, 25]
    udp = [flow for flow in detector["flows"] if flow["protocol"] == "udp"]
    for direction in ("request", "reply"):
        assert {flow["uplink"] for flow in udp if flow["direction"] == direction} == {"eth1", "eth2"}
    assert all(flow["sent"] > 100 and not flow["duplicates"] for flow in detector["flows"])
    assert result(lab, "bird-killed")["holds"]
    assert result(lab, "leaf-restarted")["flows"] == []


def test_a_drill_that_breaks_off_leaves_the_lab_as_it_was(lab: Lab) -> None:
    """It has changed a leaf's configuration when its next step fails."""
    before = {router: configuration(lab, router) for router in ("leaf0", "leaf1", "spine0", "spine1")}
    broken = drill(lab, "bird-killed-plain", "-e", json.dumps({"drill_kill_bird": ["sh", "-c", "exit 3"]}))
    assert broken.rc != 0
    told = result(lab, "bird-killed-plain")
    assert any("graceful restart" in step["name"] for step in told["steps"])
    assert [one["found"] for one in told["expectations"] if one["what"] == "drill bird-killed-plain: its steps"] == ["broken off"]
    assert told["holds"] is False
    assert {router: configuration(lab, router) for router in before} == before
    assert lab.play("verify", "-e", '{"verify_drills": []}').rc == 0


def test_a_capture_ends_with_control_c_and_leaves_nothing(lab: Lab, tmp_path: Path) -> None:
    command = [sys.executable, "tools/capture.py", "-i", str(lab.inventory), "leaf0", "eth1", "eth2", "worker", "net0"]
    command += ["--seconds", "60", "--write", str(tmp_path / "pcap"), "--", "icmp"]
    with (tmp_path / "out").open("w+") as out:
        running = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, env=os.environ | {"LC_ALL": "C.UTF-8"})
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline and "worker net0" not in (tmp_path / "out").read_text():
            subprocess.run(["ip", "netns", "exec", lab.node("worker"), "ping", "-c", "1", "-W", "1", "10.146.8.10"], check=False, capture_output=True)
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0, (tmp_path / "out").read_text()
    text = (tmp_path / "out").read_text()
    assert "ICMP echo request" in text
    assert "foreseen leaf0 eth" in text
    assert "DIFFERENT" not in text
    assert len(list((tmp_path / "pcap").glob("*.pcap"))) == 3
    assert subprocess.run(["pgrep", "-f", "tcpdump -nn -l -tt -xx"], check=False, capture_output=True).stdout == b""
    assert list(Path("/tmp").glob("leafspine-capture-*")) == []
