"""Programs that a router's operational prompt runs although they are no VyOS commands: its prompt is a shell.

Only what looks and changes nothing, in forms that end: `ip ... show|get`, `tcpdump`, `curl` to an address, each also behind `sudo` and
`timeout N`; `monitor traffic` is tcpdump too. `argv` is the only check, used by the command line for its error text and again by the root
helper before it runs anything. Pure.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Any

from .tools import BadOption

PROGRAMS = ("sudo", "timeout", "ip", "tcpdump", "curl")
MAX_SECONDS = 600
MAX_WORDS = 80

_IP_FLAGS = {"-j", "-json", "-p", "-pretty", "-4", "-6", "-d", "-details", "-s", "-statistics", "-br", "-brief", "-o", "-oneline"}
_IP_OBJECTS = ("address", "link", "neighbor", "neighbour", "nexthop", "route", "rule")
_IP_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@-]{0,63}")
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,14}")
_FILTER = re.compile(r"[A-Za-z0-9 .:/\[\]()&|!=<>+*-]{1,600}")
_URL = re.compile(r"http://([0-9.]+)(?::([0-9]{1,5}))?(/[A-Za-z0-9._/#\[\]{},=-]*)?")
_FORMAT = re.compile(r"[A-Za-z0-9%{}_=:., \\-]{1,200}")


def argv(words: Sequence[str]) -> list[str]:
    """The command line that is run in the router's namespace. Raises BadOption with what is not allowed."""
    if len(words) > MAX_WORDS:
        raise BadOption(f"more than {MAX_WORDS} words")
    rest = list(words)
    if rest[:1] == ["sudo"]:
        rest = rest[1:]
    limit: int | None = None
    if rest[:1] == ["timeout"]:
        limit, rest = _limit(rest), rest[2:]
    program = rest[0] if rest else ""
    if program not in _CHECKS:
        raise BadOption(f"{program or 'a shell command'} is not among {', '.join(_CHECKS)}")
    checked = _CHECKS[program](rest[1:])
    if limit is None and program == "tcpdump" and "-c" not in checked:
        raise BadOption("tcpdump needs an end here: timeout SECONDS tcpdump, or -c COUNT")
    return [*([] if limit is None else ["timeout", "--signal=INT", str(limit)]), *checked]


def monitor(words: Sequence[str]) -> list[str]:
    """argv of `monitor traffic interface <interface> [filter <expression>]`, which Control-C ends. Raises BadOption."""
    given = dict(zip(words[2::2], words[3::2], strict=False))
    options = ["-i", given["interface"]]
    return _tcpdump([*options, *([given["filter"]] if "filter" in given else [])])


STREAMS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "shell": lambda options: argv(_texts(options["words"])),
    "monitor": lambda options: monitor(_texts(options["words"])),
}


def _texts(words: Any) -> list[str]:
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise BadOption("not a command")
    return words


def _limit(words: Sequence[str]) -> int:
    text = words[1] if len(words) > 1 else ""
    if not re.fullmatch(r"[0-9]{1,4}s?", text) or not 1 <= int(text.rstrip("s")) <= MAX_SECONDS:
        raise BadOption(f"timeout {text}: 1 to {MAX_SECONDS} seconds are allowed")
    return int(text.rstrip("s"))


# -- ip ------------------------------------------------------------------------------------


def _ip(words: Sequence[str]) -> list[str]:
    """`ip` with flags, an object, `show`, `list` or `get`, and plain words."""
    rest, flags = list(words), list[str]()
    while rest and rest[0].startswith("-"):
        if rest[0] not in _IP_FLAGS:
            raise BadOption(f"ip {rest[0]}")
        flags.append(rest.pop(0))
    kind = rest.pop(0) if rest else ""
    objects = [name for name in _IP_OBJECTS if kind and name.startswith(kind)]
    if not objects:
        raise BadOption(f"ip {kind}".rstrip())
    verb = rest.pop(0) if rest else "show"
    if not any(full.startswith(verb) for full in ("show", "list", "lst", "get")) and verb != "ls":
        raise BadOption(f"ip {kind} {verb}: only show and get are read-only")
    for word in rest:
        if not _IP_WORD.fullmatch(word) and word != "0":
            raise BadOption(f"ip {kind} {verb} {word}")
    return ["ip", *flags, kind, verb, *rest]


# -- tcpdump -------------------------------------------------------------------------------


def _tcpdump(words: Sequence[str]) -> list[str]:
    """tcpdump that prints packets: no files, no other programs."""
    rest, options = list(words), ["-nn", "-l"]
    interface = ""
    while rest and rest[0].startswith("-"):
        flag = rest.pop(0)
        if re.fullmatch(r"-[nlqtvepxXAS]+", flag) or flag == "--immediate-mode":
            options.append(flag)
        elif flag == "-i" and rest and _INTERFACE.fullmatch(rest[0]):
            interface = rest.pop(0)
        elif flag in ("-c", "-s") and rest and re.fullmatch(r"[0-9]{1,6}", rest[0]):
            options += [flag, rest.pop(0)]
        else:
            raise BadOption(f"tcpdump {' '.join([flag, *rest[:1]])}")
    if not interface:
        raise BadOption("tcpdump needs -i INTERFACE")
    expression = " ".join(rest)
    if expression and not _FILTER.fullmatch(expression):
        raise BadOption(f"tcpdump filter {expression!r}")
    return ["tcpdump", *options, "-i", interface, *([expression] if expression else [])]


# -- curl ----------------------------------------------------------------------------------


def _curl(words: Sequence[str]) -> list[str]:
    """curl over plain HTTP to an address, as nobody; it reads and writes no file."""
    rest, options, urls = list(words), list[str](), list[str]()
    while rest:
        word = rest.pop(0)
        joined = re.fullmatch(r"(-m)([0-9.]+)", word)
        flag, value = joined.groups() if joined else (word, rest[0] if rest else "")
        if re.fullmatch(r"-[4sSifI]+", word):
            options.append(word)
        elif not word.startswith("-"):
            urls.append(_address(word))
        elif flag in _CURL_VALUES and _CURL_VALUES[flag](value):
            options += [flag, value]
            rest = rest if joined else rest[1:]
        else:
            raise BadOption(f"curl {flag} {value}".rstrip())
    if not urls:
        raise BadOption("curl needs a URL")
    if "-m" not in options and "--max-time" not in options:
        options += ["-m", "60"]
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]
    return ["timeout", "--signal=INT", str(MAX_SECONDS), *nobody, "curl", "-q", "--noproxy", "*", *options, *urls]


def _is_seconds(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", text) is not None and 0 < float(text) <= MAX_SECONDS


def _address(text: str) -> str:
    found = _URL.fullmatch(text)
    if found is None or not _is_address(found.group(1)):
        raise BadOption(f"curl {text}: only http://ADDRESS[:PORT]/PATH is allowed")
    return text


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


_CURL_VALUES: dict[str, Callable[[str], bool]] = {
    "-m": _is_seconds,
    "--max-time": _is_seconds,
    "--connect-timeout": _is_seconds,
    "-o": lambda value: value == "/dev/null",
    "-w": lambda value: _FORMAT.fullmatch(value) is not None,
    "--interface": lambda value: _is_address(value) or _INTERFACE.fullmatch(value) is not None,
    "--local-port": lambda value: re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?", value) is not None,
}
_CHECKS: dict[str, Callable[[Sequence[str]], list[str]]] = {"ip": _ip, "tcpdump": _tcpdump, "curl": _curl}
