"""Random configuration lines: from the path table itself, from blocks that make sense together, and broken ones. All from a seed."""

from __future__ import annotations

import random
import re
from functools import lru_cache

from leafspine_embedded.vyos.schema import Rule, grammar

_POOL = """10.66.0.2 10.66.0.6 10.67.1.1 192.0.2.1 2001:db8::1 2001:db8:1::5 10.66.1.0/24 10.66.2.0/23 10.0.0.0/8 0.0.0.0/0 192.0.2.0/25 2001:db8::/32
10.66.0.1/30 10.66.7.1/24 10.68.0.1/32 2001:db8:7::1/64 10.66.1.1-10.66.1.9 !10.66.1.0/24 eth1 eth2 eth3 dum0 dum1 lo !eth1 any 1 2 3 5 7 10 24 32 64
100 128 150 199 300 500 1400 1500 4096 9000 65001 65002 70000 4200000000 permit deny RM1 RM2 RM3 PL1 PL2 CL1 AP1 XL1 PG1 fast one-name 65000:1
65000:1:2 no-export local-as 10.66.0.2:7 ^65002$ ^65002:7$ _65001_ .+ 1:2:.* "65001 65002" "two words" masquerade tcp udp tcp_udp icmp all 80 22-25
80,443 !25 igp egp incomplete strict loose disable enable external internal +10 -5 net.ipv4.ip_default_ttl net.ipv4.conf.all.log_martians
net.ipv4.tcp_syncookies net.ipv4.tcp_nosuch 02:00:00:00:00:07 Europe/Berlin example.org router7 on-icmp-black-hole force 1024 provider customer
persistent random none blackhole unchanged peer-address"""
POOL = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', _POOL)]
# What a router without a lab around it cannot show: logins, the machine's own services, names of the hardware.
_LEFT_OUT = {"login", "service", "hw-id", "mac", "syslog", "ntp", "config-management", "console", "conntrack"}


@lru_cache(maxsize=4096)
def _values(identity: int) -> list[str]:
    rule = _RULES[identity]
    return [value for value in [*rule.choices, *POOL] if rule.problems(value) is None and value not in rule.refused and "'" not in value]


_RULES: dict[int, Rule] = {}


def value_of(rng: random.Random, rule: Rule) -> str:
    """A value the rule accepts, or any word when the pool has none."""
    _RULES[id(rule)] = rule
    return rng.choice(_values(id(rule)) or POOL)


def path(rng: random.Random, begin: tuple[str, ...] = ()) -> list[str]:
    """A path of the table with values that pass its checks."""
    rule = grammar()
    for name in begin:
        rule = rule.children[name]
    words = list(begin)
    while True:
        names = [name for name, child in rule.children.items() if child.supported and name not in _LEFT_OUT]
        if not names:
            return words
        rule = rule.children[rng.choice(names)]
        words.append(rule.name)
        if rule.kind == "tag" or (rule.kind == "leaf" and not rule.valueless):
            words.append(value_of(rng, rule))
        if rule.kind == "leaf" or (rule.kind == "tag" and rng.random() < 0.15):
            return words


_SECTIONS = [
    ("protocols", "bgp"),
    ("protocols", "bgp"),
    ("policy",),
    ("policy",),
    ("interfaces",),
    ("nat",),
    ("protocols", "static"),
    ("protocols", "bfd"),
    ("system",),
]


def line(rng: random.Random) -> str:
    """One `set` line."""
    return "set " + " ".join(f"'{word}'" if " " in word or not word else word for word in path(rng, rng.choice(_SECTIONS)))


_OPTIONS = ("disable", "mtu 1400", "mtu 9000", "description x", "ip source-validation strict", "ip enable-proxy-arp")


def block(rng: random.Random) -> list[str]:
    """Lines that belong together, so that more than syntax is reached."""
    number, asn = rng.choice((2, 6, 10)), rng.choice((65001, 65002, 500))
    peer = f"set protocols bgp neighbor 10.66.0.{number}"
    families = [f"{peer} address-family ipv4-unicast"] + [f"{peer} address-family ipv4-unicast {rest}" for rest in ("nexthop-self", "maximum-prefix 10")]
    return rng.choice(
        [
            ["set protocols bgp system-as 65001", f"{peer} remote-as {asn}", families[0]],
            ["set protocols bgp system-as 65001", f"{peer} remote-as {asn}", *families, f"{peer} bfd", f"{peer} password word{number}"],
            ["set protocols bgp peer-group PG1 remote-as 65002", "set protocols bgp system-as 65001", f"{peer} peer-group PG1", families[0]],
            ["set policy prefix-list PL1 rule 10 action permit", "set policy prefix-list PL1 rule 10 prefix 10.66.1.0/24"],
            ["set policy route-map RM1 rule 10 action permit", f"set policy route-map RM1 rule 10 set local-preference {rng.randint(1, 999)}"],
            ["set policy community-list CL1 rule 5 action permit", "set policy community-list CL1 rule 5 regex 65000:1"],
            ["set policy as-path-list AP1 rule 5 action deny", "set policy as-path-list AP1 rule 5 regex ^65002$"],
            [
                f"set interfaces ethernet eth{rng.randint(1, 3)} address 10.66.{rng.randint(0, 9)}.1/24",
                f"set interfaces dummy dum{rng.randint(0, 2)} address 10.69.0.1/32",
            ],
            [f"set interfaces ethernet eth{rng.randint(1, 3)} {rng.choice(_OPTIONS)}"],
            [f"set protocols static route 10.70.{rng.randint(0, 9)}.0/24 {rng.choice(('blackhole', 'next-hop 10.66.0.2', 'reject', 'interface eth1'))}"],
            ["set protocols bfd profile fast interval transmit 300", f"set protocols bfd peer 10.66.0.{number} profile fast"],
            [
                f"set nat source rule {number} {rest}"
                for rest in ("outbound-interface name eth1", "translation address masquerade", "source address 10.66.0.0/16")
            ],
            [f"set system host-name r{rng.randint(1, 9)}", rng.choice(("set system ip multipath layer4-hashing", "set system ip disable-forwarding"))],
            [f"set system sysctl parameter {rng.choice(POOL)} value {rng.randint(0, 90)}"],
        ]
    )


def changes(rng: random.Random, present: list[str]) -> list[str]:
    """What somebody types before a commit; `present` are the `set` lines of the configuration that is there."""
    found: list[str] = []
    for _ in range(rng.randint(1, 4)):
        kind = rng.random()
        if kind < 0.45:
            found += block(rng)
        elif kind < 0.75 or not present:
            found += [line(rng) for _ in range(rng.randint(1, 4))]
        else:
            words = rng.choice(present).split()[1:]
            found.append("delete " + " ".join(words[: rng.randint(2, max(2, len(words)))]))
    return found


_COMMANDS = [
    "commit",
    "compare",
    "discard",
    "save",
    "show",
    "top",
    "up",
    "exit",
    "configure",
    "rollback",
    "load",
    "merge",
    "confirm",
    "commit-confirm",
    "run",
    "edit",
    "copy",
    "rename",
    "y",
    "n",
]
_NASTY = [*"'\"|;`\\*?{}#-", "||", "&&", "$(id)", "\x00", "\x1b[A", "\x7f", "é", "\u202e", "/*", "x" * 3000, "", "--help", "%s%n"]
_ARGUMENTS = [*POOL, *_COMMANDS, *_NASTY, "saved", "comment", "to", "0", "1"]


def typed(rng: random.Random) -> str:
    """Anything a person, a cat or an attacker types: good lines, good lines with a word changed, commands, garbage."""
    kind = rng.random()
    if kind < 0.3:
        return line(rng)
    if kind < 0.45:
        return rng.choice(block(rng))
    if kind < 0.6:
        words = line(rng).split(" ")
        words[rng.randrange(len(words))] = rng.choice([*_NASTY, *POOL])
        return " ".join(words)
    if kind < 0.7:
        return "delete " + " ".join(path(rng, rng.choice(_SECTIONS))[: rng.randint(1, 6)])
    if kind < 0.8:
        return "edit " + " ".join(path(rng, rng.choice(_SECTIONS))[: rng.randint(1, 6)])
    if kind < 0.95:
        return " ".join([rng.choice(_COMMANDS), *rng.choices(_ARGUMENTS, k=rng.choice((0, 0, 0, 1, 1, 2, 4)))])
    return "".join(rng.choices([*_NASTY, " ", "set", "protocols", "bgp"], k=rng.randint(0, 30)))
