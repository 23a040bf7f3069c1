"""Routers without a lab: FRR daemons in namespaces of their own, joined by veths, each behind a `Box` that commits trees to it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leafspine_embedded.common import netns, process
from leafspine_embedded.vyos import daemons, frrdiff, schema
from leafspine_embedded.vyos.apply import Box
from leafspine_embedded.vyos.tree import Tree
from leafspine_embedded.vyos.vty import ask
from leafspine_embedded.vyos.words import split


def tree(*lines: str) -> Tree:
    """The tree of `set` and `delete` lines. Raises PathError for a line the table refuses."""
    made = Tree()
    for line in lines:
        words = split(line).words
        walk = schema.walk(schema.grammar(), words[1:])
        if words[0] == "set":
            made.insert(walk.steps, walk.value, multi=walk.rule.multi)
        else:
            made.delete(walk.words)
    return made


def running(box: Box) -> frrdiff.Config:
    """What the box's daemons run."""
    return frrdiff.parse(box._running())


def show(box: Box, command: str, daemon: str = "bgpd") -> Any:
    """A daemon's JSON."""
    return json.loads(ask(daemons.socket_dir(box.directory), daemon, f"{command} json"))


def within(box: Box, *argv: str, text: str | None = None) -> str:
    """Output of a command in the box's namespace."""
    done = subprocess.run([*netns.prefix(box.namespace), *argv], input=text, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


@contextmanager
def boxes(home: str, namespaces: Sequence[str]) -> Iterator[list[Box]]:
    """Boxes whose daemons run. One has eth0 to eth3 with loose ends; of two, `ethN` of one is joined with `ethN` of the other."""
    directory = Path("/run") / home
    try:
        for name in namespaces:
            netns.create(name)
        for number in range(4):
            one, two = (["netns", namespaces[0]], ["netns", namespaces[-1]])
            other = f"eth{number}" if len(namespaces) > 1 else f"p{number}"
            subprocess.run(["ip", "link", "add", f"eth{number}", *one, "type", "veth", "peer", "name", other, *two], check=True)
        found = []
        (directory / "routers").mkdir(parents=True)
        for folder in (directory, directory / "routers"):
            folder.chmod(0o711)
        for name in namespaces:
            subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
            box = Box(name, name, directory / "routers" / name, {})
            box.directory.mkdir()
            box.directory.chmod(0o711)
            daemons.prepare(box.directory)
            found.append(box)
        daemons.start_all([(box.directory, box.namespace, list(daemons.base())) for box in found])
        yield found
    finally:
        for name in namespaces:
            process.kill(netns.processes(name), 0)
            netns.delete(name)
        shutil.rmtree(directory)
