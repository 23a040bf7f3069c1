"""What Tab and `?` offer: possible next words with their help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafspine_embedded.vyos import configmode, optable, pipes, schema
from leafspine_embedded.vyos.optable import OpError
from leafspine_embedded.vyos.schema import PathError
from leafspine_embedded.vyos.words import LineError, split

if TYPE_CHECKING:
    from leafspine_embedded.vyos.session import Session

Rows = list[tuple[str, str]]

_CONFIG_HELP = {
    "commit": "Make the changes active",
    "commit-confirm": "Commit, and go back unless confirmed in time",
    "compare": "Compare configurations",
    "confirm": "Keep what commit-confirm committed",
    "copy": "Copy a part of the configuration",
    "delete": "Delete a part of the configuration",
    "discard": "Drop the uncommitted changes",
    "edit": "Work below a path",
    "exit": "Leave this level or configuration mode",
    "load": "Replace the configuration by a file",
    "merge": "Add the configuration of a file",
    "rename": "Rename a part of the configuration",
    "rollback": "Go back to an older revision",
    "run": "Run an operational command",
    "save": "Save the configuration",
    "set": "Set a value or create a part",
    "show": "Show the configuration",
    "top": "Go to the top level",
    "up": "Go up one level",
}


def complete(session: Session, text: str) -> Rows:
    """(word, help) for the word at the end of `text` (the next one after a blank). Never raises.

    A word such as `<neighbor>` stands for a value to type.
    """
    try:
        line = split(text)
    except LineError:
        return []
    last = line.pipes[-1] if line.pipes else line.words
    open_word = bool(last) and not text[-1:].isspace()
    done, partial = (last[:-1], last[-1]) if open_word else (last, "")
    rows = _pipe_rows(done) if line.pipes else _command_rows(session, done)
    return [row for row in rows if row[0].startswith(partial) or row[0].startswith("<")]


def extension(text: str, rows: Rows) -> str:
    """What Tab adds to `text`: the letters all candidates share, and a blank when there is only one."""
    names = [name for name, _ in rows if not name.startswith("<")]
    if not names or len(names) != len(rows):
        return ""
    partial = "" if not text or text[-1].isspace() else text.rsplit(None, 1)[-1].rsplit("|", 1)[-1]
    first, last = min(names), max(names)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    shared = first[len(partial) : length]
    return shared + (" " if len(names) == 1 else "")


def listing(rows: Rows) -> str:
    """The list that `?` prints."""
    if not rows:
        return "\n"
    return "\n" + "".join(f"{line}\n" for line in schema.possible_completions(rows))


def _pipe_rows(done: list[str]) -> Rows:
    return [] if done else [(name, "") for name in sorted(pipes.PIPES)]


def _command_rows(session: Session, done: list[str]) -> Rows:
    if not session.configuring:
        return _operational(done)
    if not done:
        return sorted(_CONFIG_HELP.items())
    try:
        name, _ = configmode.find(done[0])
    except OpError:
        return []
    if name == "run":
        return _operational(done[1:])
    if name in ("set", "delete", "show", "edit"):
        return _paths(session, done[1:], existing=name in ("delete", "show"))
    fixed = {"compare": ["commands", "saved"], "commit": ["comment"], "exit": ["discard"]}
    return [(word, "") for word in fixed.get(name, [])] if len(done) == 1 else []


def _operational(done: list[str]) -> Rows:
    row = optable.table()
    for word in done:
        found = schema.match(word, [name for name in row.children if not name.startswith("<")])
        free = [child for name, child in row.children.items() if name.startswith("<")]
        if len(found) == 1:
            row = row.children[found[0]]
        elif not found and free:
            row = free[0]
        else:
            return []
    rows = [(name, child.help) for name, child in sorted(row.children.items())]
    return [*rows, ("<Enter>", "Execute the current command")] if row.complete and done else rows


def _paths(session: Session, done: list[str], *, existing: bool) -> Rows:
    words = [*session.level, *done]
    try:
        found = schema.walk(schema.grammar(), words, validate=False)
    except PathError:
        return []
    rule, path = found.rule, found.path
    node = session.candidate.get(path)
    if found.value is not None or (rule.kind == "leaf" and rule.valueless):
        return []
    if found.key_missing:
        keys = [] if node is None else [(name, "") for name, _ in node.sorted()]
        return keys if existing else [*keys, (f"<{rule.name}>", rule.help)]
    if found.value_missing:
        values = [] if node is None else list(node.values)
        return [(value, "") for value in values] if existing else [*((c, "") for c in rule.choices), (f"<{rule.name}>", rule.help)]
    names = [name for name, child in rule.children.items() if child.supported]
    if existing:
        names = [name for name in names if node is not None and name in node.children]
    return [(name, rule.children[name].help) for name in sorted(names)]
