"""The lines that role vyos_fabric renders are accepted by the routers' grammar (which test_vyos_lines holds to a real VyOS) and reach FRR."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.leafspine.calico.plugins.module_utils.intent import from_document
from ansible_collections.leafspine.calico.plugins.module_utils.vyos_lines import delta
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from leafspine_embedded.vyos.memory import MemoryRouter
from leafspine_embedded.vyos.render import frr_sections
from leafspine_embedded.vyos.session import Session

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "plugins" / "module_utils"))
import fabric_documents as documents

BOOT = (Path(__file__).parent / "data" / "vyos" / "boot.txt").read_text()
ENVIRONMENT = Environment(loader=FileSystemLoader(ROOT / "roles" / "vyos_fabric" / "templates"), trim_blocks=True, undefined=StrictUndefined, autoescape=False)
OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "nothing of it": {"bfd": {"enabled": False}, "md5": False, "import_filter": {"enabled": False}},
    "further ranges": {"import_filter": {"service_ranges": ["198.51.100.0/24", "203.0.113.7/32"], "maximum_prefix": 5}},
}


def lines(name: str, bgp: dict[str, Any], **more: Any) -> list[str]:
    intent, problems = from_document(documents.changed(("bgp", bgp)))
    assert intent is not None, problems
    router = next(one for one in intent["routers"] if one["name"] == name)
    variables = {"vyos_fabric_bgp_password": "s3cret", "vyos_fabric_session_passwords": {}, **more}
    text = ENVIRONMENT.get_template("router.set.j2").render(router=router, **variables)
    return [line for line in text.splitlines() if line.startswith("set ")]


async def committed(*wanted: str) -> MemoryRouter:
    router = MemoryRouter(BOOT)
    session = Session(router)
    await session.line("configure")
    for line in wanted:
        assert "failed" not in (await session.line(line)).output, line
    said = (await session.line("commit")).output
    assert "failed" not in said.lower(), said
    return router


@pytest.mark.parametrize("bgp", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("name", ["leaf0", "leaf1", "spine0", "spine1"])
async def test_every_line_is_accepted_and_committed(name: str, bgp: dict[str, Any]) -> None:
    await committed(*lines(name, bgp))


async def test_what_frr_gets_for_a_leaf() -> None:
    text = frr_sections((await committed(*lines("leaf0", {}))).running)
    for wanted in (
        " neighbor 10.1.10.2 bfd profile LEAFSPINE-FABRIC",
        " neighbor 10.1.10.2 timers 3 9",
        " neighbor 10.1.10.2 timers connect 5",
        " neighbor 10.1.10.2 password s3cret",
        "  neighbor 10.1.5.10 maximum-prefix 1000",
        "  neighbor 10.1.5.10 route-map LEAFSPINE-NODES in",
        "ip prefix-list LEAFSPINE-NODES seq 10 permit 10.244.0.0/16 ge 20 le 32",
        "ip prefix-list LEAFSPINE-NODES seq 20 permit 10.96.0.0/16",
        "ip prefix-list LEAFSPINE-NODES seq 30 permit 10.96.0.0/16 ge 32",
        "  receive-interval 50",
    ):
        assert any(line.startswith(wanted) for line in text.split("\n")), f"{wanted}\n{text}"
    assert "10.1.5.10 password" not in text
    assert "10.1.10.2 route-map" not in text


async def test_what_is_switched_off_is_not_there() -> None:
    text = frr_sections((await committed(*lines("leaf0", OPTIONS["nothing of it"]))).running)
    assert [word for word in ("bfd", "password", "prefix-list", "route-map", "maximum-prefix") if word in text] == []


def test_a_session_may_have_a_password_of_its_own() -> None:
    found = [line for line in lines("leaf0", {}, vyos_fabric_session_passwords={"leaf0-spine1": "0ther"}) if " password " in line]
    assert found == ["set protocols bgp neighbor 10.1.10.2 password 's3cret'", "set protocols bgp neighbor 10.1.12.2 password '0ther'"]


def test_what_was_switched_off_goes_from_the_router_as_whole_nodes() -> None:
    defaults = yaml.safe_load((ROOT / "roles" / "vyos_fabric" / "defaults" / "main.yml").read_text())
    owned = [path.replace("{{ vyos_fabric_nat_rule }}", "100") for path in defaults["vyos_fabric_owned"]]
    running = "\n".join([*lines("leaf0", {}), "set policy prefix-list FOREIGN rule 10 action permit", "set protocols bfd profile FOREIGN interval receive 300"])
    found = delta(running, lines("leaf0", OPTIONS["nothing of it"]), owned, defaults["vyos_fabric_kept"], "exact")
    assert {line for line in found if "neighbor" not in line} == {
        "delete protocols bfd profile LEAFSPINE-FABRIC",
        "delete policy prefix-list LEAFSPINE-NODES",
        "delete policy route-map LEAFSPINE-NODES",
    }
    assert "delete protocols bgp neighbor 10.1.10.2 password" in found
    assert "delete protocols bgp neighbor 10.1.5.10 address-family ipv4-unicast maximum-prefix" in found
    assert not any("FOREIGN" in line for line in found), json.dumps(found)
