"""The ways into a lab: what a session with a router printed, split into answers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import router_checks

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools"))

import lab_access
import lab_status

SESSION = (
    "Welcome to VyOS\r\n\r\nvyos@leaf0:~$ set terminal length 0\r\n"
    'vyos@leaf0:~$ vtysh -c "show bgp summary json"\r\n{\r\n"a": "b@c:d$ "\r\n}\r\n'
    "\x1b[?2004hvyos@leaf0:~$ show version\r\n"
    "Version 1.4\r\nvyos@leaf0:~$ exit\r\nlogout\r\n"
)


def test_answers_come_without_prompts_and_echo() -> None:
    assert lab_access.split_answers(SESSION, 2) == ['{\n"a": "b@c:d$ "\n}\n', "Version 1.4\n"]


@pytest.mark.parametrize("cut", [0, 40, SESSION.index("show version")])
def test_a_session_that_was_cut_off_is_no_answer(cut: int) -> None:
    assert lab_access.split_answers(SESSION[:cut], 2) is None


OTHERS = [""] * (len(router_checks.LOOK) - 1)  # what a look answers before the configuration


def test_intended_lines_are_the_roles_and_drift_is_what_differs() -> None:
    intent = lab_access.read_intent(str(ROOT / "inventories" / "embedded"))
    leaf = next(router for router in intent["routers"] if router["name"] == "leaf0")
    lines = lab_status.intended_lines(leaf)
    assert "set protocols bgp system-as 65005" in lines
    running = "\n".join(lines)
    assert lab_status.drift_of(leaf, [*OTHERS, running]) == []
    assert lab_status.drift_of(leaf, [*OTHERS, running.replace("remote-as 500", "remote-as '501'")]) == ["set protocols bgp neighbor 10.1.10.2 remote-as 500"]
    assert lab_status.drift_of(leaf, [*OTHERS, running + "\nset nat source rule 7 description x"]) == ["delete nat source rule 7"]
    assert lab_status.drift_of(leaf, ["no answer"]) == []


def test_an_inventory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="LAB_INVENTORY"):
        lab_access.read_intent(str(tmp_path))
