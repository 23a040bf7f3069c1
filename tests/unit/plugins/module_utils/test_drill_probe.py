"""The probe's judgement of what arrived, and both ends of it on this machine: with nothing lost, and with a known number lost."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from array import array
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import drill_flows, drill_probe

TIMES = [100 + number * 0.005 for number in range(10)]


def judged(numbers: list[int], total: int | None) -> Any:
    return drill_probe.outages(array("I", numbers), array("d", [TIMES[number] for number in numbers]), total)


def test_nothing_lost() -> None:
    assert judged(list(range(10)), 10) == (0, 0, [])


def test_a_gap_is_the_time_between_the_sendings_around_it() -> None:
    lost, twice, found = judged([0, 1, 2, 6, 7, 8, 9], 10)
    assert (lost, twice) == (3, 0)
    assert found == [{"at": TIMES[2], "until": TIMES[6], "lost": 3, "gap_ms": 20.0}]


def test_late_records_are_not_lost_and_copies_are_counted() -> None:
    assert judged([0, 2, 1, 3, 3, 4, 5, 6, 7, 8, 9, 9, 9], 10) == (0, 3, [])


@pytest.mark.parametrize(
    ("numbers", "total", "lost", "ends"),
    [
        pytest.param([2, 3, 4], 5, 2, (None, TIMES[2]), id="at the beginning"),
        pytest.param([0, 1], 5, 3, (TIMES[1], None), id="at the end"),
    ],
)
def test_losses_at_an_end_have_no_gap(numbers: list[int], total: int, lost: int, ends: tuple[float | None, float | None]) -> None:
    found = judged(numbers, total)
    assert found[0] == lost
    assert [(one["at"], one["until"], one["gap_ms"]) for one in found[2]] == [(*ends, None)]


def test_when_nothing_arrives_everything_is_lost() -> None:
    assert judged([], 7) == (7, 0, [])


def test_the_end_is_not_lost_when_nobody_said_how_many_there_were() -> None:
    assert judged([0, 1], None) == (0, 0, [])


def test_a_stall_does_not_depend_on_clocks() -> None:
    arrivals = [sent + 3600.001 for sent in TIMES]
    arrivals[4] += 0.2
    assert drill_probe.stall(TIMES, arrivals) == (pytest.approx(200.0, abs=0.2), TIMES[4])
    assert drill_probe.stall([], []) == (0.0, None)


# --- both ends -------------------------------------------------------------------------------------------------------------


def free_ports(amount: int) -> list[int]:
    sockets = [socket.socket() for _ in range(amount)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def ends(folder: Path, ports: list[int], relay: int | None = None) -> dict[str, list[str]]:
    """Command lines of both ends: flows of UDP and of TCP over the loopback; the client's UDP goes to ``relay`` when there is one."""
    server_port, *client_ports = ports
    commands = {}
    for end, address in (("server", "127.0.0.1"), ("client", "127.0.0.2")):
        given = [
            {"id": number, "protocol": protocol, "port": port, "server_port": server_port, "address": address}
            for number, (protocol, port) in enumerate(zip(("udp", "tcp"), client_ports, strict=True))
        ]
        if relay is not None and end == "client":
            given[0]["server_port"] = relay
        commands[end] = [str(folder / end), json.dumps({"end": end, "interval": 0.002, "seconds": 20, "flows": given})]
    return commands


def together(word: str, commands: dict[str, list[str]]) -> dict[str, str]:
    """Run one command of the program at both ends at the same time; what each printed."""
    running = {
        end: subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", drill_flows.program(), word, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for end, arguments in commands.items()
    }
    printed = {}
    for end, process in running.items():
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        printed[end] = out
    return printed


def results(folder: Path, commands: dict[str, list[str]], wait: threading.Event | None = None, seconds: float = 0.3) -> dict[str, Any]:
    together("run", commands)
    (wait or threading.Event()).wait(20 if wait else seconds)
    printed = together("collect", {end: arguments[:1] for end, arguments in commands.items()})
    assert list(folder.iterdir()) == []
    return {end: json.loads(text)["flows"] for end, text in printed.items()}


def test_two_ends_that_lose_nothing(tmp_path: Path) -> None:
    found = results(tmp_path, ends(tmp_path, free_ports(3)))
    for here, there in (("client", "server"), ("server", "client")):
        for sent, received in zip(found[here], found[there], strict=True):
            assert sent["sent"] > 10
            assert (received["received"], received["lost"], received["duplicates"], received["total"]) == (sent["sent"], 0, 0, sent["sent"])


def test_a_known_number_of_lost_and_doubled_records_is_counted_exactly(tmp_path: Path) -> None:
    """A relay between the ends swallows 7 DATA records in a row and sends 2 others twice."""
    ports = free_ports(4)
    relay, done = ports[3], threading.Event()

    def pass_on() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            near.bind(("127.0.0.2", relay))
            near.settimeout(20)
            far.bind(("127.0.0.2", 0))
            while not done.is_set():
                data = near.recv(2048)
                number, _flow, kind, _sent = drill_probe.RECORD.unpack(data)
                if kind == drill_probe.DATA and 20 <= number < 27:
                    continue
                for _ in range(2 if kind == drill_probe.DATA and number in (40, 45) else 1):
                    far.sendto(data, ("127.0.0.1", ports[0]))
                if kind == drill_probe.DATA and number == 60:
                    passed.set()
                if kind == drill_probe.END:
                    done.set()

    passed = threading.Event()
    thread = threading.Thread(target=pass_on, daemon=True)
    thread.start()
    found = results(tmp_path, ends(tmp_path, ports[:3], relay), passed)
    request = found["server"][0]
    assert (request["lost"], request["duplicates"], request["outages_all"]) == (7, 2, 1)
    assert request["outages"][0]["lost"] == 7
    assert request["outages"][0]["gap_ms"] >= 8 * 2
    assert [flow["lost"] for flow in found["client"]] == [0, 0]


def test_an_end_that_nobody_answers_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(drill_probe.__file__).read_text(encoding="utf-8").replace("READY = 20.0", "READY = 0.3")
    client = ends(tmp_path, free_ports(3))["client"]
    done = subprocess.run([sys.executable, "-I", "-S", "-c", source, "run", *client], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "no packet arrived" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_collecting_where_nothing_ran_fails(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", drill_flows.program(), "collect", str(tmp_path / "none")], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert "no probe ran here" in done.stderr
