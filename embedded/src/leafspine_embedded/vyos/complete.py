"""What Tab and `?` offer: possible next words with their help."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from leafspine_embedded.vyos import configmode, optable, pipes, schema
from leafspine_embedded.vyos.optable import OpError
from leafspine_embedded.vyos.schema import PathError
from leafspine_embedded.vyos.tree import natural_key
from leafspine_embedded.vyos.words import LineError, split

if TYPE_CHECKING:
    from leafspine_embedded.vyos.session import Session


class Row(NamedTuple):
    """A word that may come next. mark: " > " has something below it, "+  " may be there several times, "+> " is both."""

    name: str
    help: str = ""
    mark: str = ""


Rows = list[Row]

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

_PIPE_HELP = {
    "commands": "As set commands",
    "count": "Number of lines",
    "grep": "Lines that match a pattern of grep",
    "head": "First lines",
    "json": "As JSON",
    "less": "Page by page",
    "match": "Lines that match",
    "more": "Page by page",
    "no-match": "Lines that do not match",
    "no-more": "All at once",
    "strip-private": "Hide addresses and secrets",
    "tail": "Last lines",
}


def complete(session: Session, text: str) -> Rows:
    """Candidates for the word at the end of `text` (the next one after a blank). Never raises.

    A word such as `<1-255>` stands for a value to type.
    """
    try:
        line = split(text)
    except LineError:
        return []
    if session.question is not None:
        return []
    last = line.pipes[-1] if line.pipes else line.words
    open_word = bool(last) and not text[-1:].isspace()
    done, partial = (last[:-1], last[-1]) if open_word else (last, "")
    rows = _pipe_rows(done) if line.pipes else _command_rows(session, done)
    return [row for row in rows if row.name.startswith(partial) or _stands_for_a_value(row.name)]


def _stands_for_a_value(name: str) -> bool:
    return name.startswith(("<", "!<"))


def extension(text: str, rows: Rows) -> str:
    """What Tab adds to `text`: the letters all candidates share, and a blank when there is only one."""
    names = [row.name for row in rows if not _stands_for_a_value(row.name)]
    if not names or len(names) != len(rows):
        return ""
    partial = "" if not text or text[-1].isspace() else text.rsplit(None, 1)[-1].rsplit("|", 1)[-1]
    first, last = min(names), max(names)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    shared = first[len(partial) : length]
    return shared + (" " if len(names) == 1 else "")


def listing(rows: Rows) -> str:
    """The list that `?` prints, and Tab when it cannot go on."""
    if not rows:
        return "\n"
    marked = any(row.mark for row in rows)
    shown = [(f"{row.mark:<{3 if marked else 0}}{row.name}", row.help) for row in rows]
    return "\n" + "".join(f"{line}\n" for line in [*schema.possible_completions(shown, "" if marked else "  "), ""])


def _pipe_rows(done: list[str]) -> Rows:
    return [] if done else [Row(name, _PIPE_HELP.get(name, "")) for name in sorted(pipes.PIPES)]


def _command_rows(session: Session, done: list[str]) -> Rows:
    if not session.configuring:
        return _operational(done)
    if not done:
        return [Row(*item) for item in sorted(_CONFIG_HELP.items())]
    try:
        name, _ = configmode.find(done[0])
    except OpError:
        return []
    if name == "run":
        return _operational(done[1:])
    if name in ("set", "delete", "show", "edit"):
        return _paths(session, done[1:], existing=name in ("delete", "show"))
    return _arguments(session, name, done[1:])


def _arguments(session: Session, name: str, done: list[str]) -> Rows:
    """What may follow the other commands of configuration mode."""
    revisions = [Row(str(number), f"{r.when} by {r.user} via {r.via}") for number, r in enumerate(session.router.revisions)]
    comment = Row("comment", "Comment for the commit log")
    if name in ("commit", "commit-confirm") and done[-1:] == ["comment"]:
        return [Row("<text>", "Comment")]
    if name == "compare":
        fixed = [Row("commands", "As commands"), Row("saved", "With the saved configuration")]
        return [*(fixed if not done else []), *revisions] if len(done) < 2 else []
    if done:
        return [comment] if name == "commit-confirm" and len(done) == 1 and done[0].isdigit() else []
    return {
        "commit": [comment, Row("<Enter>", "Execute the current command")],
        "commit-confirm": [Row("<1-99999>", "Minutes until it goes back"), comment, Row("<Enter>", "Ten minutes")],
        "exit": [Row("discard", "Drop the uncommitted changes"), Row("<Enter>", "Execute the current command")],
        "load": [Row("<file>", "A file in /config, /tmp or the home directory")],
        "merge": [Row("<file>", "A file in /config, /tmp or the home directory")],
        "rollback": revisions[1:],
        "save": [Row("<file>", "A file in /config, /tmp or the home directory"), Row("<Enter>", "config.boot")],
    }.get(name, [Row("<Enter>", "Execute the current command")])


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
    rows = [Row(name, child.help) for name, child in sorted(row.children.items()) if child.supported]
    return [*rows, Row("<Enter>", "Execute the current command")] if row.complete and done else rows


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
        keys = [] if node is None else [Row(name) for name, _ in node.sorted()]
        return keys if existing else [*keys, *_hints(session, rule)]
    if found.value_missing:
        values = [Row(value) for value in node.values] if node is not None else []
        return values if existing else [*(Row(choice) for choice in rule.choices), *_hints(session, rule)]
    names = [name for name, child in rule.children.items() if child.supported]
    if existing:
        names = [name for name in names if node is not None and name in node.children]
    return [Row(name, rule.children[name].help, _mark(rule.children[name])) for name in sorted(names)]


def _mark(rule: schema.Rule) -> str:
    return ("+" if rule.multi or rule.kind == "tag" else " ") + (">" if rule.children else " ") + " "


def _hints(session: Session, rule: schema.Rule) -> Rows:
    """The forms a value may have; names of policies and interfaces that are there come first."""
    forms = [Row(form, text or rule.help) for form, text in rule.hints] or ([] if rule.choices else [Row(f"<{rule.name}>", rule.help)])
    return [*(Row(name, rule.help) for name in _known(session, rule)), *forms]


def _known(session: Session, rule: schema.Rule) -> list[str]:
    forms = [form for form, _ in rule.hints]
    names = sorted(session.router.interfaces, key=natural_key) if "<interface>" in forms or rule.name == "ethernet" else []
    for kind in ("route-map", "prefix-list", "as-path-list", "community-list", "large-community-list", "access-list"):
        if rule.name == kind and rule.kind == "leaf":
            names += session.candidate.keys("policy", kind)
    if rule.name == "peer-group" and rule.kind == "leaf":
        names += session.candidate.keys("protocols", "bgp", "peer-group")
    if rule.name == "profile" and rule.kind == "leaf":
        names += session.candidate.keys("protocols", "bfd", "profile")
    return names
