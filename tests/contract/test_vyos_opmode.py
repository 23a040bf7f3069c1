"""The outputs of a real VyOS 1.4 that need no box: configuration forms, pipes, errors, configuration mode."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from leafspine_embedded.vyos.memory import MemoryRouter
from leafspine_embedded.vyos.model import Revision
from leafspine_embedded.vyos.optable import OpError, resolve
from leafspine_embedded.vyos.schema import grammar, walk
from leafspine_embedded.vyos.session import Session
from leafspine_embedded.vyos.tree import Tree

DATA = Path(__file__).parent / "data" / "vyos"
TEXT = (DATA / "opmode.md").read_text()
Block = tuple[str, str, str]  # chapter, command, output


def blocks() -> list[Block]:
    found: list[Block] = []
    chapter = ""
    for match in re.finditer(r"^## (?P<chapter>[^\n]*)$|^### `(?P<command>[^\n`]*)`[^\n]*\n\n```\n(?P<output>.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        chapter = match["chapter"] or chapter
        if match["command"] is not None:
            found.append((chapter, match["command"], match["output"].strip("\n")))
    return found


def output_of(chapter: str, command: str) -> str:
    return next(o for c, name, o in blocks() if c == chapter and name == command)


def leaf0() -> Tree:
    """The measured node, from its own `show | commands`."""
    return from_commands(output_of("Configuration mode", "show | commands"))


def from_commands(text: str) -> Tree:
    tree = Tree()
    for line in text.split("\n"):
        words = [double or single or word for double, single, word in re.findall(r'"([^"]*)"|\'([^\']*)\'|(\S+)', line)][1:]
        found = walk(grammar(), words)
        tree.insert(found.steps, found.value, multi=found.rule.multi)
    return tree


def saved(tree: Tree) -> Tree:
    """What `compare saved` was against: before the first commits."""
    old = tree.copy()
    for path in ("interfaces ethernet eth1", "interfaces dummy", "protocols bgp", "nat"):
        old.delete(path.split())
    old.delete(["system", "login", "user", "vyos", "authentication", "encrypted-password"])
    for line in ("system host-name leaf1", "system login user vyos authentication plaintext-password vyos"):
        found = walk(grammar(), line.split())
        old.insert(found.steps, found.value)
    return old


@pytest.fixture
def session() -> Session:
    router = MemoryRouter(leaf0().text())
    router.saved = saved(router.running)
    router.revisions = [
        Revision("2026-11-23 08:36:06", "vyos", "cli", None, router.running.copy()),
        Revision("2026-11-23 08:27:16", "root", "vyos-boot-config-loader", None, router.saved.copy()),
        Revision("2026-11-23 08:27:12", "root", "init", None, Tree()),
    ]
    return Session(router)


OPERATIONAL = [
    (chapter, command, output)
    for chapter, command, output in blocks()
    if chapter in ("Operational commands", "vtysh and JSON", "Pipes", "Pipes (second session)", "Actions and unknown commands")
]
# Shell commands, not part of this command line.
SHELL = ("ls ", "id", "sudo -n")
# The output of the real router's build, or of its shell around the pipe.
NOT_COMPARED = {
    "show version": "names this engine",
    "show version | match": "names this engine",
    'show version | match "^Ver"': "names this engine",
    "show version | head": "names this engine",
    "show version | bogus": "the real one prints a Python warning too",
    "show version | commands": "the real one prints a Python warning too",
    "show version | tee /tmp/x": "writes files",
}


@pytest.mark.parametrize(("chapter", "command", "output"), OPERATIONAL)
async def test_operational(session: Session, chapter: str, command: str, output: str) -> None:
    if command.startswith(SHELL) or command in NOT_COMPARED:
        pytest.skip(NOT_COMPARED.get(command, "shell"))
    reply = (await session.line(command)).output
    if "is not supported by the embedded engine" in reply and "command: [" not in output and "Incomplete" not in output:
        # It needs the box: the command is known, and goes to the router in full words.
        assert "command:" not in output
        return
    if "more lines]" in output:
        cut = output.split("\n")[:-1]
        assert reply.split("\n")[: len(cut)] == cut
    elif "json" in command and "command" not in output:
        # the 200 column terminal put a blank at every wrap
        assert reply.replace(" ", "").strip() == output.replace(" ", "").replace("\b", "")
    else:
        assert reply.strip("\n").rstrip() == output


def test_enough_is_compared() -> None:
    """At least half of the measured operational outputs are texts this engine makes itself."""
    known = [command for _, command, output in OPERATIONAL if "command:" in output or "configuration" in command or "pipe" in output]
    assert len(known) > 30


@pytest.mark.parametrize("command", [c for ch, c, o in OPERATIONAL if "command: " not in o and not c.startswith((*SHELL, "sudo", "vtysh")) and "|" not in c])
def test_known_commands_resolve(command: str) -> None:
    assert resolve(command.split()) == command.split()


@pytest.mark.parametrize("command", [c for ch, c, o in OPERATIONAL if "Invalid command: " in o and "|" not in c and not c.startswith(SHELL)])
def test_unknown_commands_do_not(command: str) -> None:
    with pytest.raises(OpError):
        resolve(command.split())


CONFIGURATION = [(command, output) for chapter, command, output in blocks() if chapter == "Configuration mode"]
# Not the same here, with the reason.
ELSEWHERE = {
    "run show ip bgp summary": "needs the box",
    "run show version": "names this engine",
    "rollback 1": "asks: tested below",
}


async def test_configuration_mode(session: Session) -> None:
    """The measured session from `configure` to the last `exit`, in order."""
    different = []
    for command, expected in CONFIGURATION:
        reply = await session.line(command)
        if command in ELSEWHERE:
            session.question = None
            continue
        if command == "save":
            session.router.saved = session.router.running.copy()
        if reply.output.rstrip("\n").lstrip("\n") != expected.removesuffix("\n<EOF>").lstrip("\n"):
            different.append(f"{command}\n--- real\n{expected}\n--- here\n{reply.output}")
    assert not different, "\n".join(different)


async def test_questions(session: Session) -> None:
    chapter = "commit-confirm, rollback, compare of revisions (node spine0, configuration mode)"
    measured = [output for c, command, output in blocks() if c == chapter and command == "commit-confirm 5"]
    assert len(measured) == 2
    await session.line("configure")
    await session.line("set system host-name spineX")
    for answer, expected in (("n", measured[1]), ("y", measured[0])):
        asked = await session.line("commit-confirm 5")
        assert session.prompt == ""
        reply = await session.line(answer)
        shown = f"commit-confirm 5\n{asked.output}{answer}\n{reply.output}[edit]\nvyos@spine0# "
        assert [line.strip() for line in shown.split("\n")] == [line.strip() for line in expected.split("\n")]
        assert session.prompt.startswith("[edit]")
    assert session.router.running.value("system", "host-name") == "spineX"


async def test_rollback_is_cancelled(session: Session) -> None:
    await session.line("configure")
    assert (await session.line("rollback 1")).output == "Proceed with reboot ? [Y/n] "
    assert (await session.interrupt()).output == "Canceling rollback\n"
    assert session.router.running == leaf0()


async def test_merge_and_load(session: Session) -> None:
    """The last chapter: a good and a bad file, on a node without bgp."""
    chapter = "load and merge of a file (node without bgp)"
    files = re.findall(r"```\n(protocols \{.*?)```", TEXT[TEXT.index(f"## {chapter}") :], re.DOTALL)
    router = session.router
    assert isinstance(router, MemoryRouter)
    router.files = {"tmp.m.boot": files[0], "tmp.bad.boot": files[1]}
    router.running = without_bgp(router.running)
    router.saved = router.running.copy()
    for command, expected in [(c, o) for ch, c, o in blocks() if ch == chapter]:
        reply = (await session.line(command)).output
        if command == "merge /tmp/bad.boot":
            assert "Configuration path: protocols bgp [bogus] is not valid" in reply
            assert reply.count("exit code: 1") == expected.count("exit code: 1")
            continue
        shown = re.sub(r"\$6\$[^\"]+", "", reply).strip("\n")
        assert shown == re.sub(r"\$6\$[^\"]+", "", expected).strip("\n"), command


def without_bgp(tree: Tree) -> Tree:
    tree = tree.copy()
    for path in ("interfaces ethernet eth1", "interfaces dummy", "protocols bgp", "nat"):
        tree.delete(path.split())
    tree.delete(["interfaces", "ethernet", "eth0", "address"])
    eth0 = "interfaces ethernet eth0"
    for line in ("system host-name vyos", f"{eth0} hw-id 02:42:ac:11:00:02", f"{eth0} address 172.17.0.2/16"):
        found = walk(grammar(), line.split())
        tree.insert(found.steps, found.value)
    return tree
