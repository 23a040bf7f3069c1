"""Commands of README and docs are run: Ansible's as they stand, playbooks with --list-tasks, which reads everything and does nothing."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"(?:\$ )?(?:\.venv/bin/)?((?:ansible-playbook|ansible-inventory|ansible-doc) [^#]*)")
# Written for another place, with something for the reader to fill in, or asking at a terminal.
PLACEHOLDER = re.compile(r"\.\.\.|NAME|\$|<[a-z_]+>|leafspine\.calico\.(site|verify|drill|destroy|push)\b")
NEEDS_TERMINAL = {"--ask-vault-pass", "--ask-become-pass"}


def commands(text: str) -> Iterator[str]:
    """Lines of code blocks and pieces of text in backquotes that call Ansible, without prompt, folder of the environment and comment."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    pieces = [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", text)
    for piece in pieces:
        found = COMMAND.match(piece)
        # An option alone is talked about, not run.
        if found and not PLACEHOLDER.search(found[1]) and (".yml" in found[1] or not found[1].startswith("ansible-playbook")):
            yield found[1].strip()


COMMANDS = sorted({command for page in PAGES for command in commands(page.read_text(encoding="utf-8"))})


def run(command: str) -> subprocess.CompletedProcess[str]:
    words = [word for word in shlex.split(command) if word not in NEEDS_TERMINAL]
    words += ["--list-tasks"] if words[0] == "ansible-playbook" else []
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "PAGER": "cat", "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        [str(ROOT / ".venv/bin" / words[0]), *words[1:]], cwd=ROOT, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_is_accepted(command: str) -> None:
    done = run(command)
    assert done.returncode == 0, done.stderr
    assert "Could not match supplied host pattern" not in done.stderr
    if command.startswith("ansible-playbook"):
        assert re.search(r"^ {6}\S", done.stdout, re.MULTILINE), f"no task would run: {done.stdout}"


def test_what_is_no_command_any_more_is_found() -> None:
    assert run("ansible-playbook playbooks/nothing.yml").returncode != 0
    assert run("ansible-playbook playbooks/site.yml --fly").returncode != 0
    assert "Could not match supplied host pattern" in run("ansible-playbook playbooks/site.yml --limit leaf77").stderr
    text = "```\n$ ansible-playbook playbooks/x.yml  # a comment\n```\n`ansible-doc -l` `ansible-playbook -i inventories/NAME`\n"
    assert list(commands(text)) == ["ansible-playbook playbooks/x.yml", "ansible-doc -l"]
    assert len(COMMANDS) > 15
