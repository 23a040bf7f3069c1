"""A router's command line over SSH, as a person types it."""

from __future__ import annotations

import json
import os
import subprocess

from ansible_collections.leafspine.calico.tests.integration.helpers.lab import ROOT, Lab


def router_cli(lab: Lab, router: str, *lines: str) -> str:
    """Lines given to a router's command line over SSH, as a person types them."""
    intent = json.loads(subprocess.run(inventory_command(lab, router), capture_output=True, text=True, check=True, cwd=ROOT).stdout)
    secret = lab.directory / "secrets" / "router_password"
    askpass = lab.folder / "askpass"
    askpass.write_text(f"#!/bin/sh\ncat {secret}\n")
    askpass.chmod(0o700)
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "PubkeyAuthentication=no"]
    command = ["ssh", "-tt", *(word for option in options for word in ("-o", option)), f"vyos@{intent['ansible_host']}"]
    environment = os.environ | {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ""}
    given = "".join(f"{line}\n" for line in [*lines, "exit"])
    return subprocess.run(command, input=given, capture_output=True, text=True, env=environment, timeout=60, check=False).stdout


def inventory_command(lab: Lab, host: str) -> list[str]:
    return [str(ROOT / ".venv/bin/ansible-inventory"), "-i", str(lab.inventory), "--host", host]
