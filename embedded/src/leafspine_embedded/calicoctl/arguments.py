"""The command line: which command takes which options and operands. Options may stand anywhere, `-oyaml` and `--output=yaml` both work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .errors import CommandError

_SHORT = {"h": "help", "f": "filename", "R": "recursive", "o": "output", "c": "config", "n": "namespace", "A": "all-namespaces", "a": "all-namespaces",
          "p": "patch", "t": "type", "s": "skip-not-exists", "l": "log-level"}  # fmt: skip
_COMMON = ("config=", "context=", "allow-version-mismatch", "help")
_FILE = ("filename=", "recursive", "skip-empty")


@dataclass(frozen=True)
class Command:
    """options: long names, "=" for those with a value. least, most: operands. file: the option --filename must be (True) or may be given."""

    options: tuple[str, ...]
    least: int = 0
    most: int | None = 0
    file: bool | None = None


COMMANDS: dict[str, Command] = {
    "apply": Command((*_COMMON, *_FILE, "namespace="), file=True),
    "create": Command((*_COMMON, *_FILE, "namespace=", "skip-exists"), file=True),
    "replace": Command((*_COMMON, *_FILE, "namespace="), file=True),
    "validate": Command(("help", "allow-version-mismatch", *_FILE), file=True),
    "get": Command((*_COMMON, *_FILE, "namespace=", "output=", "all-namespaces", "export"), 1, None, file=False),
    "delete": Command((*_COMMON, *_FILE, "namespace=", "skip-not-exists"), 1, None, file=False),
    "patch": Command((*_COMMON, "namespace=", "patch=", "type="), 2, 2),
    "label": Command((*_COMMON, "namespace=", "overwrite", "remove"), 3, 3),
    "version": Command((*_COMMON, "poll=", "client")),
    "ipam show": Command((*_COMMON, "ip=", "show-blocks", "show-borrowed", "show-configuration")),
    "ipam check": Command((*_COMMON, "show-all-ips", "show-problem-ips")),
    "node status": Command((*_COMMON,)),
    "datastore migrate lock": Command((*_COMMON,)),
    "datastore migrate unlock": Command((*_COMMON,)),
}

# What the real tool has and this one has not, to be refused by name.
REFUSED = (
    "ipam release", "ipam configure", "ipam split", "node run", "node diags", "node checksystem", "datastore migrate export",
    "datastore migrate import", "datastore migrate fix-policy-names", "cluster diags", "convert",
)  # fmt: skip

USAGE = """Usage:
  calicoctl [options] <command> [<args>...]

    create       Create a resource by file, directory or stdin.
    replace      Replace a resource by file, directory or stdin.
    apply        Apply a resource by file, directory or stdin.  This creates a resource
                 if it does not exist, and replaces a resource if it does exists.
    patch        Patch a preexisting resource in place.
    delete       Delete a resource identified by file, directory, stdin or resource type and
                 name.
    get          Get a resource identified by file, directory, stdin or resource type and
                 name.
    label        Add or update labels of resources.
    validate     Validate a resource by file, directory or stdin without applying it.
    ipam         IP address management: show, check.
    node         Calico node management: status.
    version      Display the version of this binary.
    datastore    Calico datastore management: migrate lock, migrate unlock.

Options:
  -h --help                    Show this screen.
  -l --log-level=<level>       Set the log level (one of panic, fatal, error,
                               warn, info, debug) [default: panic]
     --context=<context>       The name of the kubeconfig context to use.
     --allow-version-mismatch  Allow client and cluster versions mismatch.

Of the embedded engine: the command lines of the real tool that are listed here, on the Kubernetes datastore."""


@dataclass
class Arguments:
    """A parsed command line. flags and values are keyed by the long name."""

    command: str
    operands: list[str] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=dict)


class _Bad(Exception):
    pass


def _long(text: str, allowed: Sequence[str]) -> str:
    """The option a possibly shortened name means, with its "=" when it takes a value."""
    if text in allowed or f"{text}=" in allowed:
        return f"{text}=" if f"{text}=" in allowed else text
    candidates = [option for option in allowed if option.startswith(text)]
    if len(candidates) != 1:
        raise _Bad
    return candidates[0]


def _split(args: Sequence[str], allowed: Sequence[str], found: Arguments, *, stop_at_operand: bool = False) -> list[str]:
    """Sort arguments into `found`; returns what is left behind the first operand when asked to stop there."""
    left = list(args)
    while left:
        word = left.pop(0)
        if word == "--":
            found.operands += left
            return []
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            option = _long(name, allowed)
            if option.endswith("="):
                if not equals and not left:
                    raise _Bad
                found.values[option[:-1]] = value if equals else left.pop(0)
            elif equals:
                raise _Bad
            else:
                found.flags.add(option)
        elif word.startswith("-") and word != "-":
            _short(word[1:], left, allowed, found)
        elif stop_at_operand:
            return [word, *left]
        else:
            found.operands.append(word)
    return []


def _short(letters: str, left: list[str], allowed: Sequence[str], found: Arguments) -> None:
    while letters:
        name = _SHORT.get(letters[0], "")
        rest = letters[1:]
        if f"{name}=" in allowed:
            if not rest and not left:
                raise _Bad
            found.values[name] = rest.removeprefix("=") if rest else left.pop(0)
            return
        if name not in allowed:
            raise _Bad
        found.flags.add(name)
        letters = rest


def _command(words: list[str]) -> tuple[str, list[str]]:
    """The longest known command at the front, and the arguments behind it. Options may stand between the words of a command."""
    plain = [word for word in words if not word.startswith("-")]
    for length in (3, 2, 1):
        name = " ".join(plain[:length])
        if name in COMMANDS or name in REFUSED:
            rest = list(words)
            for word in plain[:length]:
                rest.remove(word)
            return name, rest
    return "", words


def parse(argv: Sequence[str]) -> Arguments:
    """Raises CommandError; its text goes to standard output for a mistake before the command, as in the real tool."""
    everything = " ".join(argv)
    top = Arguments("")
    try:
        words = _split(argv, ("help", "log-level=", "context=", "allow-version-mismatch"), top, stop_at_operand=True)
    except _Bad:
        raise CommandError(f"Invalid option: '{everything}'. Use flag '--help' to read about a specific subcommand.", stdout=True) from None
    if not words:
        top.command = "help" if "help" in top.flags else ""
        if not top.command:
            raise CommandError("Invalid option: ''. Use flag '--help' to read about a specific subcommand.", stdout=True)
        return top
    name, rest = _command(words)
    if name in REFUSED:
        raise CommandError(f"calicoctl {name} is not supported by the embedded engine")
    if not name:
        if words[0] in ("ipam", "node", "datastore", "cluster"):
            raise CommandError(f"invalid option: 'calicoctl {' '.join(words)}'. Use flag '--help' to read about a specific subcommand")
        raise CommandError(f'unknown command: "{words[0]}"\n{USAGE}')
    command = COMMANDS[name]
    found = Arguments(name, flags=set(top.flags), values=dict(top.values))
    bad = CommandError(f"invalid option: 'calicoctl {' '.join(words)}'. Use flag '--help' to read about a specific subcommand")
    try:
        _split(rest, command.options, found)
    except _Bad:
        raise bad from None
    if "help" not in found.flags and not _complete(command, found):
        raise bad
    return found


def _complete(command: Command, found: Arguments) -> bool:
    count, file = len(found.operands), "filename" in found.values
    if command.file is True:
        return file and count == 0
    if command.file is False and file:
        return count == 0
    if command is COMMANDS["patch"] and "patch" not in found.values:
        return False
    return command.least <= count and (command.most is None or count <= command.most)
