"""`./lab status`: one look at every router and the API at the same time, as text, as JSON, or again and again."""

from __future__ import annotations

import concurrent.futures
import json
import sys
import time
from pathlib import Path
from typing import Any

import jinja2
import lab_access
import yaml
from ansible_collections.leafspine.calico.plugins.module_utils import lab_state, lab_state_text, router_checks
from ansible_collections.leafspine.calico.plugins.module_utils.masking import mask
from ansible_collections.leafspine.calico.plugins.module_utils.vyos_lines import delta
from lab_access import ROOT, Intent

KINDS = ["nodes", "pods", "services", "ipamblocks.crd.projectcalico.org"]
STATE = Path("/run/leafspine")
ROLE = ROOT / "roles" / "vyos_fabric"


def look(intent: Intent) -> dict[str, Any]:
    """The state of the lab at this moment (lab_state)."""
    routers = intent["routers"]
    with concurrent.futures.ThreadPoolExecutor(max_workers=len(routers) + 1) as pool:
        api = pool.submit(lab_access.kubernetes, intent, KINDS)
        outputs = {router["name"]: found for router, found in zip(routers, pool.map(lambda router: ask(intent, router), routers), strict=True) if found}
    objects = api.result()
    if objects is not None:
        objects = {kind.split(".")[0].replace("ipamblocks", "blocks"): items for kind, items in objects.items()}
    return state(intent, outputs, objects)


def state(intent: Intent, outputs: dict[str, list[str]], objects: dict[str, Any] | None) -> dict[str, Any]:
    """The state that follows from what routers and API answered, with drift and crashes."""
    drift = {router["name"]: drift_of(router, outputs[router["name"]]) for router in intent["routers"] if router["name"] in outputs}
    return lab_state.state(intent, outputs, objects, drift, crashes(intent))


def ask(intent: Intent, router: dict[str, Any]) -> list[str]:
    """What a router answers to the questions of router_checks.LOOK; nothing when it does not answer at all."""
    if not lab_access.answers(router["management"]["address"], 22):
        return []
    try:
        return lab_access.ask_router(intent, router, list(router_checks.LOOK.values()))
    except OSError as error:
        return [str(error)]


# --- configurations ------------------------------------------------------------------------------------------------------


def intended_lines(router: dict[str, Any]) -> list[str]:
    """Set-lines that the role vyos_fabric wants on a router. Passwords are masked: they are no business of a status."""
    values = {"router": router, "vyos_fabric_bgp_password": "********", "vyos_fabric_session_passwords": {}}
    text = _jinja().from_string((ROLE / "templates" / "router.set.j2").read_text(encoding="utf-8")).render(values)
    return [line for line in text.splitlines() if line.startswith("set ")]


def _jinja() -> jinja2.Environment:
    """Templates as Ansible reads them."""
    return jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined, extensions=["jinja2.ext.do"], autoescape=False)


def drift_of(router: dict[str, Any], outputs: list[str]) -> list[str]:
    """Lines that would make a router's running configuration the intended one, by the role's own defaults."""
    if len(outputs) != len(router_checks.LOOK):
        return []
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    owned = [_jinja().from_string(path).render(defaults) for path in [*defaults["vyos_fabric_owned"], "nat", "protocols"]]
    return delta(mask(outputs[-1]), [mask(line) for line in intended_lines(router)], owned, defaults["vyos_fabric_kept"], defaults["vyos_fabric_mode"])


# --- crashes -------------------------------------------------------------------------------------------------------------


def crashes(intent: Intent) -> list[dict[str, Any]]:
    """What the engine's supervisors wrote down (crashes.jsonl of lab and cluster), oldest first; nothing where there is no such list."""
    found = []
    for home in (STATE / "labs" / intent["lab_name"], STATE / "clusters" / intent["cluster"]["name"]):
        for line in (lab_access.read_as_root(home / "crashes.jsonl") or "").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue  # a line that is being written
    return sorted(found, key=lambda one: str(one.get("time")))


# --- the command ---------------------------------------------------------------------------------------------------------


def run(intent: Intent, as_json: bool, watch: float | None) -> int:
    """Print the state once, or every ``watch`` seconds until interrupted. Returns 0 for a lab without troubles, else 1."""
    while True:
        began = time.monotonic()
        seen = look(intent)
        text = json.dumps(seen, indent=1) if as_json else lab_state_text.text(seen)
        if watch is None:
            print(text)
            return 0 if seen["healthy"] else 1
        clear = "\x1b[H\x1b[2J\x1b[3J" if sys.stdout.isatty() else ""
        stamp = "" if as_json else f"{time.strftime('%H:%M:%S')}, every {watch:g} s, Ctrl-C ends\n"
        print(f"{clear}{stamp}{text}", flush=True)
        try:
            time.sleep(max(0.0, watch - (time.monotonic() - began)))
        except KeyboardInterrupt:
            return 0
