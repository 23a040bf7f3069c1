"""The commands of configuration mode. Each takes the session and its words and returns the text to print."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

from leafspine_embedded.vyos import compare as comparison
from leafspine_embedded.vyos import files, opmode, schema
from leafspine_embedded.vyos.login import encrypt_passwords
from leafspine_embedded.vyos.model import CommitError, CommitLocked
from leafspine_embedded.vyos.optable import OpError
from leafspine_embedded.vyos.schema import PathError, Walk
from leafspine_embedded.vyos.tree import Node, Tree, TreeError
from leafspine_embedded.vyos.verify import verify

if TYPE_CHECKING:
    from leafspine_embedded.vyos.session import Session

Handler = Callable[["Session", list[str]], "str | Awaitable[str]"]


def find(word: str) -> tuple[str, Handler]:
    """The command a first word stands for. Raises OpError."""
    found = schema.match(word, list(COMMANDS))
    if len(found) == 1:
        return found[0], COMMANDS[found[0]]
    if found:
        raise OpError(f"Ambiguous command: [{word}]", *schema.possible_completions([(name, "") for name in sorted(found)]))
    raise OpError(f"Invalid command: [{word}]")


def _failed(lines: Sequence[str], verb: str) -> str:
    return "\n" + "".join(f"  {line}\n" for line in lines) + f"  {verb} failed\n\n"


def _note(line: str) -> str:
    return f"\n  {line}\n\n"


def _walk(session: Session, words: Sequence[str], *, validate: bool = True) -> Walk:
    return schema.walk(schema.grammar(), [*session.level, *words], validate=validate)


# -- set, delete ---------------------------------------------------------------------


def set_(session: Session, words: list[str]) -> str:
    if not words:
        return _failed(["Need to specify the config node to set"], "Set")
    try:
        found = _walk(session, words)
    except PathError as error:
        return _failed(error.lines, "Set")
    if found.key_missing or found.value_missing:
        return _failed([f"Configuration path: [{' '.join(found.path)}] requires a value"], "Set")
    if session.candidate.insert(found.steps, found.value, multi=found.rule.multi):
        return ""
    return _note(f"Configuration path: [{' '.join(found.words)}] already exists")


def delete(session: Session, words: list[str]) -> str:
    if not words:
        return _failed(["Need to specify the config node to delete"], "Delete")
    path, error = _existing(session, words)
    if error is not None:
        return _failed(error.lines, "Delete")
    if session.candidate.delete(path):
        return ""
    leaf = session.candidate.get(path[:-1])
    what = "value" if leaf is not None and leaf.kind == "leaf" else "node"
    return _note(f"Nothing to delete (the specified {what} does not exist)")


def _existing(session: Session, words: Sequence[str]) -> tuple[list[str], PathError | None]:
    """A path to show or delete: by the table, or (what only a loaded file has) by the tree."""
    try:
        return _walk(session, words, validate=False).words, None
    except PathError as error:
        plain = [*session.level, *words]
        return plain, None if session.candidate.exists(plain) or session.base.exists(plain) else error


# -- looking -------------------------------------------------------------------------


def show(session: Session, words: list[str]) -> str:
    path, error = _existing(session, words)
    if error is not None:
        return _failed(error.lines, "Show")
    lines = comparison.marked(session.base, session.candidate, path)
    if not lines and (session.candidate.get(path) is None or words):
        return "Configuration under specified path is empty\n"
    return "".join(f"{line}\n" for line in lines)


def pipe_sources(session: Session, words: Sequence[str]) -> dict[str, Callable[[], str]]:
    """What `show ... | commands`, `| compare` and `| json` print."""
    path, _ = _existing(session, words)

    def commands() -> str:
        return "".join(f"{line}\n" for line in session.candidate.commands(path))

    def as_json() -> str:
        node = session.candidate.get(path)
        return json.dumps(opmode.as_json(node, _rule(path)) if node is not None else {}) + "\n"

    return {"commands": commands, "compare": lambda: compare(session, []), "json": as_json}


def _rule(path: Sequence[str]) -> schema.Rule | None:
    try:
        return schema.walk(schema.grammar(), path, validate=False).rule
    except PathError:
        return None


def compare(session: Session, words: list[str]) -> str:
    commands = "commands" in words
    rest = [word for word in words if word != "commands"]
    if not rest:
        return _comparison(session.base, session.candidate, "working and active configurations", commands, session.level)
    if rest == ["saved"]:
        return _comparison(session.router.saved, session.candidate, "working and saved configurations", commands, session.level)
    numbers = [word for word in rest if re.fullmatch(r"[0-9]{1,9}", word)][:2]
    if len(numbers) != len(rest):
        return _note(f"Invalid command: compare [{rest[0]}]")
    revisions = session.router.revisions
    for number in numbers:
        if int(number) >= len(revisions):
            return f"Invalid revision number {number}\n\n"
    old = revisions[int(numbers[-1])].tree
    if len(numbers) == 1:
        return _comparison(old, session.candidate, f"working and revision {numbers[0]} configurations", commands, session.level)
    new = revisions[int(numbers[0])].tree
    return _comparison(old, new, f"revisions {numbers[1]} and {numbers[0]} configurations", commands, session.level)


def _comparison(old: Tree, new: Tree, what: str, commands: bool, level: Sequence[str]) -> str:
    if commands:
        return comparison.compare_commands(old, new) + "\n"
    return (comparison.compare(old, new, level) or f"No changes between {what}.\n") + "\n"


# -- commit --------------------------------------------------------------------------


async def commit(session: Session, words: list[str]) -> str:
    comment: str | None = None
    if words:
        if len(words) != 2 or not schema.match(words[0], ["comment"]):
            return _note(f"Invalid command: commit [{words[0]}]")
        comment = words[1]
    if not session.modified:
        return "No configuration changes to commit\n"
    return (await apply_candidate(session, comment))[1]


async def apply_candidate(session: Session, comment: str | None, minutes: int | None = None) -> tuple[bool, str]:
    """Check and commit the candidate (to be confirmed within `minutes`): success, and what to print. A refused candidate stays."""
    try:
        new = await encrypt_passwords(session.candidate)
        warnings = verify(new, session.base, interfaces=session.router.interfaces)
        warnings = [*warnings, *await session.router.commit(new, comment, session.user, minutes)]
    except CommitError as error:
        text = "\n".join(wrapped(line) for line in error.text.strip("\n").split("\n"))
        return False, f"\n{text}\n\n[[{error.section}]] failed\nCommit failed\n"
    except CommitLocked:
        return False, "Configuration system temporarily locked due to another commit in progress\n"
    session.discard()
    return True, "".join("\n" + wrapped(f"WARNING: {warning}") + "\n\n" for warning in warnings)


def wrapped(line: str) -> str:
    """VyOS wraps its messages at 72 columns."""
    return fill(line, 72, break_long_words=False, break_on_hyphens=False, replace_whitespace=False) if len(line) > 72 else line


def commit_confirm(session: Session, words: list[str]) -> str:
    minutes, rest = ("10", words) if not words or words[0] == "comment" else (words[0], words[1:])
    comment = rest[1] if len(rest) == 2 and rest[0] == "comment" else None
    if not re.fullmatch(r"[0-9]{1,5}", minutes) or int(minutes) == 0 or (rest and comment is None):
        return _note(f"Invalid command: commit-confirm [{' '.join(words)}]")
    if not session.modified:
        return "No configuration changes to commit\n"
    if session.router.confirming:
        return "Another confirm is pending\n"

    async def answer(yes: bool) -> str:
        if not yes:
            return "commit-confirm canceled\n"
        session.rebase()
        if session.router.confirming:
            return "Another confirm is pending\n"
        done, text = await apply_candidate(session, comment, int(minutes))
        return f"Initialized commit-confirm; {minutes} minutes to confirm before reboot\n{text}" if done else text

    session.question = answer
    return f"\ncommit-confirm will automatically reboot in {minutes} minutes unless changes\nare confirmed.\n\nProceed ? [Y/n] "


async def confirm(session: Session, words: list[str]) -> str:
    return "Reboot timer stopped\n" if await session.router.confirm() else "No confirm pending\n"


def rollback(session: Session, words: list[str]) -> str:
    last = len(session.router.revisions)
    number = words[0] if words else ""
    if not re.fullmatch(r"[0-9]{1,9}", number) or not 0 < int(number) < last:
        return f"Invalid revision number {number}: must be 0 < rev < {last}\n"
    target = session.router.revisions[int(number)].tree.copy()

    async def answer(yes: bool) -> str:
        if not yes:
            return "Canceling rollback\n"
        session.rebase()
        session.candidate = target
        if not session.modified:
            return ""
        done, text = await apply_candidate(session, f"rollback {number}")
        if done:
            await session.router.save()
        return text

    session.question = answer
    return "Proceed with reboot ? [Y/n] "


def discard(session: Session, words: list[str]) -> str:
    return _note("Changes have been discarded" if session.discard() else "No changes have been discarded")


async def save(session: Session, words: list[str]) -> str:
    key = files.key(words[0], session.user) if words else files.BOOT
    if key is None or len(words) > 1:
        return _note(f"Invalid command: save [{' '.join(words)}] is not supported by the embedded engine, only files in /config, /tmp and the home directory")
    try:
        await (session.router.save() if key == files.BOOT else session.router.write_file(key))
    except files.StoreError as error:
        return f"Error saving configuration: {error}\n"
    return ""


# -- moving --------------------------------------------------------------------------


def edit(session: Session, words: list[str]) -> str:
    try:
        found = _walk(session, words)
    except PathError as error:
        return _failed(error.lines, "Edit")
    if found.key_missing or found.rule.kind == "leaf":
        return _failed([f"Configuration path: [{' '.join(found.words)}] is not valid"], "Edit")
    session.level = found.path
    return ""


def up(session: Session, words: list[str]) -> str:
    if session.level:
        parent = session.candidate.get(session.level[:-1])
        keyed = parent is not None and parent.kind == "tag"
        session.level = session.level[: -2 if keyed or _is_key(session.level) else -1]
    return ""


def _is_key(level: list[str]) -> bool:
    return schema.walk(schema.grammar(), level[:-1], validate=False).key_missing


def top(session: Session, words: list[str]) -> str:
    session.level = []
    return ""


# -- files and copies ----------------------------------------------------------------


async def _file(session: Session, name: str) -> Tree:
    """The configuration in a file of the user's. Raises FileNotFoundError, TreeError."""
    key = files.key(name, session.user)
    if key is None:
        raise FileNotFoundError(name)
    return session.router.saved.copy() if key == files.BOOT else Tree.parse(await session.router.read_file(key))


async def load(session: Session, words: list[str]) -> str:
    if session.modified:
        return "Cannot load: configuration modified.\nCommit or discard the changes before loading a config file.\n"
    name = words[0] if words else "config.boot"
    try:
        new = await _file(session, name)
    except FileNotFoundError:
        return f"No such file '{name}'\n"
    except TreeError as error:
        return f"Loading configuration from '{name}'\nFailed to parse: {error}\n"
    _known_only(new.root, schema.grammar())
    session.candidate = new
    last = "Load complete. Use 'commit' to make changes effective." if session.modified else "No configuration changes to commit."
    return f"Loading configuration from '{name}'\n{last}\n"


def _known_only(node: Node, rule: schema.Rule) -> None:
    """What no VyOS has cannot be loaded (values are not looked at)."""
    for name in list(node.children):
        row = rule.children.get(name)
        if row is None:
            del node.children[name]
        elif row.supported and node.children[name].kind != "leaf":
            entries = node.children[name].children.values() if row.kind == "tag" else [node.children[name]]
            for entry in entries:
                _known_only(entry, row)


async def merge(session: Session, words: list[str]) -> str:
    if len(words) != 1:
        return _note("Invalid command: merge needs one file")
    name = words[0]
    try:
        new = await _file(session, name)
    except FileNotFoundError:
        return f"[Errno 2] No such file or directory: '/opt/vyatta/etc/config/{name}'\n[Errno 2] No such file or directory: '{name}'\n"
    except TreeError as error:
        return f"Failed to parse: {error}\n"
    output = ""
    level, session.level = session.level, []
    for words_ in _set_words(new.root, []):
        result = set_(session, words_)
        if "Set failed" in result:
            output += f"[Errno 1] failed to run command: /opt/vyatta/sbin/my_set {' '.join(words_)}\nreturned: {result.strip()}\nexit code: 1\n"
    session.level = level
    return output + "Merge complete. Use 'commit' to make changes effective.\n"


def _set_words(node: Node, path: list[str]) -> list[list[str]]:
    found: list[list[str]] = []
    for name, child in node.sorted():
        if child.kind == "leaf":
            found += [[*path, name, value] for value in child.values] or [[*path, name]]
        elif child.children:
            found += _set_words(child, [*path, name])
        else:
            found.append([*path, name])
    return found


def copy(session: Session, words: list[str]) -> str:
    return _copied(session, words, "Copy")


def rename(session: Session, words: list[str]) -> str:
    result = _copied(session, words, "Rename")
    if not result:
        session.candidate.delete([*session.level, words[0], words[1]])
    return result


def _copied(session: Session, words: list[str], verb: str) -> str:
    """`copy|rename neighbor A to neighbor B` at the edit level."""
    if len(words) != 5 or words[2] != "to" or words[0] != words[3]:
        return _failed([f"Invalid {verb.lower()} command: <name> <old> to <name> <new>"], verb)
    source = session.candidate.get([*session.level, words[0], words[1]])
    try:
        target = _walk(session, words[3:]).path
    except PathError as error:
        return _failed(error.lines, verb)
    if source is None:
        return _failed([f"Configuration path: [{' '.join([*session.level, *words[:2]])}] does not exist"], verb)
    if session.candidate.exists(target):
        return _failed([f"Configuration path: [{' '.join(target)}] already exists"], verb)
    session.candidate.replace(target, source.copy())
    return ""


def _refused(session: Session, words: list[str]) -> str:
    raise OpError("Invalid command: [comment] is not supported by the embedded engine")


COMMANDS: dict[str, Handler] = {
    "comment": _refused,
    "commit": commit,
    "commit-confirm": commit_confirm,
    "compare": compare,
    "confirm": confirm,
    "copy": copy,
    "delete": delete,
    "discard": discard,
    "edit": edit,
    "exit": _refused,  # the session does it
    "load": load,
    "merge": merge,
    "rename": rename,
    "rollback": rollback,
    "run": _refused,  # the session does it
    "save": save,
    "set": set_,
    "show": show,
    "top": top,
    "up": up,
}
