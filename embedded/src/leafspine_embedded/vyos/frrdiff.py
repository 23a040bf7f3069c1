"""FRR configurations as data, and the commands that lead from one to another. Pure.

A configuration is read into contexts (`router bgp 65005`, below it `address-family ipv4 unicast`, ...), each with its lines. The commands
come in an order in which what is referred to exists: policy first, what uses it, then the removal of what nothing uses any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

Context = tuple[str, ...]
# What opens a context, by the depth at which it stands.
_OPENERS = (re.compile(r"router bgp |route-map \S+ (permit|deny) \d+$|bfd$|interface |vrf "), re.compile(r"address-family |peer \S+|profile \S+"))
_OPENED_BY = {"address-family": "router", "peer": "bfd", "profile": "bfd"}
_NOT_OURS = re.compile(
    # zebra shows the kernel's forwarding, which is a setting of the system's, as a line of its own.
    r"((no )?(ip|ipv6) forwarding$|frr |hostname |"
    r"log |service |domainname |line |username |password |enable |no zebra nexthop|zebra nexthop|debug |end$|Building|Current)"
)
# Lines of which a daemon keeps one: the new value replaces the old, and deleting first would do harm (a session, a neighbour).
_SINGLE_NEIGHBOR = {
    *("remote-as", "description", "timers", "password", "ebgp-multihop", "update-source", "weight", "advertisement-interval"),
    *("maximum-prefix", "maximum-prefix-out", "ttl-security"),
}
_SINGLE = re.compile(
    r"(bgp router-id|bgp cluster-id|timers bgp|maximum-paths ibgp|maximum-paths(?= \d)|bgp default local-preference"
    r"|set (?!community|extcommunity|large)\S+)"
)
_MEMBER = re.compile(r"neighbor \S+ peer-group \S+$|neighbor \S+ interface (v6only )?peer-group \S+$")


@dataclass
class Config:
    """Contexts in the order of the text; () is the top level."""

    contexts: dict[Context, list[str]] = field(default_factory=lambda: {(): []})

    def lines(self) -> set[tuple[Context, str]]:
        """Every line with its context, and every context itself (as its parent's line)."""
        found = {(context, line) for context, lines in self.contexts.items() for line in lines}
        return found | {(context[:-1], context[-1]) for context in self.contexts if context}


def parse(text: str) -> Config:
    """Read the text of `show running-config` or of the renderer; heads, remarks and what is not configured by us are left out."""
    config = Config()
    stack: list[str] = []
    for raw in text.splitlines():
        line = " ".join(raw.split())
        if not line or line.startswith("!"):
            continue
        if line in ("exit", "exit-address-family", "exit-vrf", "end"):
            stack = stack[:-1] if line != "end" else []
            continue
        if stack and not raw.startswith(" "):
            stack = []  # older FRR does not write every `exit`
        if not stack and _NOT_OURS.match(line):
            continue
        depth = len(stack)
        if depth < len(_OPENERS) and _OPENERS[depth].match(line) and _belongs(line, stack):
            stack = [*stack, line]
            config.contexts.setdefault(tuple(stack), [])
        elif line not in (lines := config.contexts.setdefault(tuple(stack), [])):
            lines.append(line)  # shared policy stands in the texts of several daemons
    config.contexts = {key: lines for key, lines in config.contexts.items() if not key or not key[0].startswith(("interface ", "vrf "))}
    if ("bfd",) in config.contexts and not any(key[0] == "bfd" for key in config.contexts if len(key) > 1):
        del config.contexts[("bfd",)]  # a running bfdd shows the empty block
    return config


def _belongs(line: str, stack: list[str]) -> bool:
    """At depth 1: `peer` opens a context only below `bfd`, `address-family` only below `router`."""
    return not stack or stack[0].split()[0] == _OPENED_BY[line.split()[0]]


@dataclass(frozen=True)
class Step:
    """Commands to give in a context."""

    context: Context
    commands: tuple[str, ...]


def steps(old: Config, new: Config) -> list[Step]:
    """The commands that turn `old` into `new`; none when they are equal in content."""
    if old.lines() == new.lines():
        return []
    first, middle, last = [], [], []
    for context in _tops(old, new):
        if context == ():
            gone, come = _top_level(old, new)
            last += gone
            first += come
        elif context[0].startswith("route-map"):
            if context in new.contexts:
                first += _context(context, old.contexts.get(context), new.contexts[context])
            else:
                last.append(Step((), (f"no {context[0]}",)))
        elif context[0] == "bfd":
            gone, come = _bfd(old, new)
            first += come
            last += gone
        else:
            middle += _bgp(context, old, new)
    # Another autonomous system is another `router bgp`: the old one goes before the new one comes.
    middle.sort(key=lambda step: 0 if step.context == () else 1)
    return [*first, *middle, *last]


def _tops(old: Config, new: Config) -> list[Context]:
    """() and every context of depth 1 of either configuration, old ones first."""
    found = dict.fromkeys(context[:1] for config in (old, new) for context in config.contexts)
    return list(found)


def _no(line: str) -> str:
    return line[3:] if line.startswith("no ") else f"no {line}"


def _top_level(old: Config, new: Config) -> tuple[list[Step], list[Step]]:
    """Static routes, lists, ... : what to remove and what to add. An entry with the same name and number is replaced."""
    before, after = old.contexts[()], new.contexts[()]
    gone = [line for line in before if line not in set(after)]
    come = [line for line in after if line not in set(before)]
    dropped = ({_prefix(line) for line in [*gone, *come] if _DROPS.search(line)} & {_prefix(line) for line in come}) - {None}
    replaced = [line for line in gone if (_slot(line) is not None and _slot(line) in {_slot(other) for other in come}) or _prefix(line) in dropped]
    removed = [Step((), (_no(line),)) for line in gone if line not in replaced]
    added = [Step((), (_no(line),)) for line in replaced] + [Step((), (line,)) for line in come]
    return removed, added


# A prefix is dropped or goes to next hops, never both: FRR refuses the one while the other is there.
_DROPS = re.compile(r" (blackhole|reject|Null0)( |$)")


def _prefix(line: str) -> str | None:
    """Family, prefix and table of a static route."""
    match = re.match(r"(ip|ipv6) route (\S+) .*?( table \d+)?$", line)
    return f"{match[1]} {match[2]}{match[3] or ''}" if match else None


def _slot(line: str) -> str | None:
    """Name and sequence number of a list entry."""
    match = re.match(r".*? \S+ seq \d+(?= )", line)
    return match.group(0) if match else None


def _single(line: str) -> str | None:
    """What a line is the only value of, None for a line that may stand beside others of its kind."""
    words = line.split()
    if words[0] == "neighbor" and len(words) > 2:
        return " ".join(words[:3]) if words[2] in _SINGLE_NEIGHBOR else None
    match = _SINGLE.match(line)
    return match.group(0) if match else None


def _changes(before: list[str] | None, after: Iterable[str]) -> tuple[list[str], list[str]]:
    """One context's commands: to remove what is too much, and to add what is missing in its order."""
    had, want = before or [], list(after)
    come = [line for line in want if line not in set(had)]
    taken = {_single(line) for line in come} - {None}
    gone = [line for line in had if line not in set(want) and _single(line) not in taken]
    return [_no(line) for line in reversed(gone)], come


def _context(context: Context, before: list[str] | None, after: Iterable[str]) -> list[Step]:
    """One context's steps; a context that is new is opened even when it has no lines."""
    gone, come = _changes(before, after)
    return [Step(context, (*gone, *come))] if gone or come or before is None else []


def _bfd(old: Config, new: Config) -> tuple[list[Step], list[Step]]:
    gone, come = [], []
    for context in dict.fromkeys([*old.contexts, *new.contexts]):
        if context[:1] != ("bfd",) or len(context) < 2:
            continue
        if context not in new.contexts:
            gone.append(Step(("bfd",), (f"no {context[1]}",)))
        else:
            come += _context(context, old.contexts.get(context), new.contexts[context])
    return gone, come


def _bgp(context: Context, old: Config, new: Config) -> list[Step]:
    """One `router bgp`: neighbours that go take all their lines with them, address families after the instance's own lines."""
    if context not in new.contexts:
        return [Step((), (f"no {context[0]}",))]
    if context not in old.contexts:
        return [Step(key, tuple(lines)) for key, lines in new.contexts.items() if key[:1] == context]
    before = {key: lines for key, lines in old.contexts.items() if key[:1] == context}
    after = {key: lines for key, lines in new.contexts.items() if key[:1] == context}
    # A neighbour that leaves its peer group is made anew: FRR deletes one that had its AS number from the group.
    left = {line.split()[1] for line in set(before[context]) - set(after[context]) if _MEMBER.match(line)}
    removed = (_neighbors(before) - _neighbors(after)) | left
    groups = {name for name in removed if f"neighbor {name} peer-group" in before[context]}
    families = [key for key in dict.fromkeys([*before, *after]) if len(key) == 2]
    # What a neighbour has in a family goes while it is still the neighbour it was (a route reflector client must be internal).
    changes = {key: _changes(_without(before.get(key, []), removed), after.get(key, [])) for key in families}
    found = [Step(key, tuple(gone)) for key, (gone, _) in changes.items() if gone]
    found += [Step(context, (f"no neighbor {name}",)) for name in sorted(removed - groups)]
    found += _context(context, _without(before[context], removed), after[context])
    # Last of the instance's own: listen ranges that name a group are gone now.
    found += [Step(context, (f"no neighbor {name} peer-group",)) for name in sorted(groups)]
    return found + [Step(key, tuple(come)) for key, (_, come) in changes.items() if come]


def _neighbors(contexts: dict[Context, list[str]]) -> set[str]:
    return {line.split()[1] for lines in contexts.values() for line in lines if line.startswith("neighbor ")}


def _without(lines: list[str] | None, neighbors: set[str]) -> list[str] | None:
    """The lines but those of some neighbours (`neighbor X ...`, `no neighbor X ...`); None stays None: the context is new."""
    if lines is None:
        return None
    return [line for line in lines if not (match := re.match(r"(?:no )?neighbor (\S+)", line)) or match.group(1) not in neighbors]


# -- which daemon a command is for -------------------------------------------------------


def daemons(context: Context, command: str, *, mgmtd: bool = False) -> tuple[str, ...]:
    """Names of the daemons that take a top-level command or a context (as vtysh distributes them)."""
    line = (context[0] if context else command).removeprefix("no ")
    word = line.split()[0]
    static = "mgmtd" if mgmtd else "staticd"
    if line == "bfd":
        return ("bfdd",)
    if re.match(r"(ip|ipv6) route ", line):
        return (static,)
    if re.match(r"(ip|ipv6) (protocol|nht) ", line):
        return ("zebra",)
    if word in ("route-map", "access-list") or re.match(r"(ip|ipv6) (prefix-list|access-list) |ipv6 access-list", line):
        return ("bgpd", "mgmtd" if mgmtd else "zebra")
    return ("bgpd",)
