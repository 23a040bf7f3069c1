"""policy as FRR configuration."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from leafspine_embedded.vyos.section import Section
from leafspine_embedded.vyos.tree import Tree

# (configuration path, FRR words) of what only copies its value.
_MATCH = [
    ("as-path", "as-path"), ("extcommunity", "extcommunity"), ("interface", "interface"),
    ("ip address access-list", "ip address"), ("ip address prefix-list", "ip address prefix-list"),
    ("ip address prefix-len", "ip address prefix-len"), ("ip nexthop access-list", "ip next-hop"),
    ("ip nexthop address", "ip next-hop address"), ("ip nexthop prefix-len", "ip next-hop prefix-len"),
    ("ip nexthop prefix-list", "ip next-hop prefix-list"), ("ip nexthop type", "ip next-hop type"),
    ("ip route-source access-list", "ip route-source"), ("ip route-source prefix-list", "ip route-source prefix-list"),
    ("ipv6 address access-list", "ipv6 address"), ("ipv6 address prefix-list", "ipv6 address prefix-list"),
    ("ipv6 address prefix-len", "ipv6 address prefix-len"), ("ipv6 nexthop address", "ipv6 next-hop address"),
    ("ipv6 nexthop access-list", "ipv6 next-hop"), ("ipv6 nexthop prefix-list", "ipv6 next-hop prefix-list"),
    ("ipv6 nexthop type", "ipv6 next-hop type"), ("large-community large-community-list", "large-community"),
    ("local-preference", "local-preference"), ("metric", "metric"), ("origin", "origin"), ("peer", "peer"),
    ("protocol", "source-protocol"), ("tag", "tag"),
]  # fmt: skip
_SET = [
    ("as-path exclude", "as-path exclude"), ("as-path prepend", "as-path prepend"),
    ("as-path prepend-last-as", "as-path prepend last-as"), ("atomic-aggregate", "atomic-aggregate"),
    ("community delete", "comm-list {} delete"), ("community replace", "community {}"),
    ("community add", "community {} additive"), ("community none", "community none"), ("distance", "distance"),
    ("extcommunity rt", "extcommunity rt"), ("extcommunity soo", "extcommunity soo"), ("extcommunity none", "extcommunity none"),
    ("ip-next-hop", "ip next-hop"), ("ipv6-next-hop global", "ipv6 next-hop global"),
    ("ipv6-next-hop local", "ipv6 next-hop local"), ("ipv6-next-hop peer-address", "ipv6 next-hop peer-address"),
    ("ipv6-next-hop prefer-global", "ipv6 next-hop prefer-global"), ("large-community replace", "large-community {}"),
    ("large-community add", "large-community {} additive"), ("large-community none", "large-community none"),
    ("large-community delete", "large-comm-list {} delete"), ("local-preference", "local-preference"),
    ("metric", "metric"), ("origin", "origin"), ("originator-id", "originator-id"),
    ("src", "src"), ("table", "table"), ("tag", "tag"), ("weight", "weight"),
]  # fmt: skip


def policy(tree: Tree) -> list[str]:
    """Lists first, then route-maps; groups are separated by `!` as FRR writes them."""
    conf = Section(tree, "policy")
    groups = [
        list(_access_lists(conf, "access-list")),
        list(_access_lists(conf, "access-list6")),
        list(_prefix_lists(conf, "prefix-list", "ip prefix-list")),
        list(_prefix_lists(conf, "prefix-list6", "ipv6 prefix-list")),
        list(_regex_lists(conf, "as-path-list", "bgp as-path access-list")),
        [
            *_regex_lists(conf, "community-list", "bgp community-list"),
            *_regex_lists(conf, "extcommunity-list", "bgp extcommunity-list"),
            *_regex_lists(conf, "large-community-list", "bgp large-community-list"),
        ],
    ]
    for name in conf.keys("route-map"):
        groups += [list(_route_map(conf.at("route-map", name, "rule", rule), name, rule)) for rule in conf.keys("route-map", name, "rule")]
    lines: list[str] = []
    for group in groups:
        if group:
            lines += ["!", *group] if lines else group
    return lines


def _rules(conf: Section, kind: str) -> Iterator[tuple[str, str, Section]]:
    for name in conf.keys(kind):
        for rule in conf.keys(kind, name, "rule"):
            yield name, rule, conf.at(kind, name, "rule", rule)


def _access_lists(conf: Section, kind: str) -> Iterator[str]:
    frr = "access-list" if kind == "access-list" else "ipv6 access-list"
    for name in conf.keys(kind):
        if conf.at(kind, name).value("description"):
            yield f"{frr} {name} remark {conf.at(kind, name).value('description')}"
        for rule in conf.keys(kind, name, "rule"):
            row = conf.at(kind, name, "rule", rule)
            words = [frr, name, "seq", rule, row.value("action") or ""]
            if kind == "access-list6":
                words += ["any" if row.has("source", "any") else row.value("source network") or "any"]
                words += ["exact-match"] if row.has("source", "exact-match") else []
            else:
                extended = name.isdigit() and (100 <= int(name) <= 199 or 2000 <= int(name) <= 2699)
                words += ["ip"] if extended else []
                words += _acl_side(row.at("source"))
                words += _acl_side(row.at("destination")) if extended else []
            yield " ".join(words)


def _acl_side(side: Section) -> list[str]:
    if side.value("host"):
        return ["host", side.value("host") or ""]
    if side.value("network") and not side.has("any"):
        return [side.value("network") or "", side.value("inverse-mask") or "0.0.0.0"]
    return ["any"]


def _prefix_lists(conf: Section, kind: str, frr: str) -> Iterator[str]:
    for name in conf.keys(kind):
        if conf.at(kind, name).value("description"):
            yield f"{frr} {name} description {conf.at(kind, name).value('description')}"
        for rule in conf.keys(kind, name, "rule"):
            row = conf.at(kind, name, "rule", rule)
            prefix, ge, le = row.value("prefix") or "", row.value("ge"), row.value("le")
            if not _lengths_fit(prefix, ge, le):
                continue  # VyOS commits such a rule and FRR refuses it: there is no entry
            words = [frr, name, "seq", rule, row.value("action") or "", prefix]
            words += ["ge", ge] if ge else []
            words += ["le", le] if le else []
            yield " ".join(words)


def _lengths_fit(prefix: str, ge: str | None, le: str | None) -> bool:
    """FRR wants prefix length <= ge <= le <= address length."""
    network = ipaddress.ip_network(prefix)
    shortest = int(ge) if ge else network.prefixlen
    longest = int(le) if le else network.max_prefixlen
    return network.prefixlen <= shortest <= longest


def _regex_lists(conf: Section, kind: str, frr: str) -> Iterator[str]:
    for name, rule, row in _rules(conf, kind):
        numbered = name.isdigit() and int(name) > 0
        expanded = [] if kind == "as-path-list" or numbered else ["expanded"]
        yield " ".join([frr, *expanded, name, "seq", rule, row.value("action") or "", row.value("regex") or ""])


def _route_map(row: Section, name: str, rule: str) -> Iterator[str]:
    yield f"route-map {name} {row.value('action')} {rule}"
    if row.value("description"):
        yield f" description {row.value('description')}"
    yield from _matches(row.at("match"))
    yield from _sets(row.at("set"))
    yield from row.one("call", " call {}")
    yield from row.flag("on-match next", " on-match next")
    yield from row.one("on-match goto", " on-match goto {}")
    yield from row.one("continue", " on-match goto {}")
    yield "exit"


def _matches(match: Section) -> Iterator[str]:
    community = match.value("community community-list")
    if community:
        yield f" match community {community}" + (" exact-match" if match.has("community", "exact-match") else "")
    for path, words in _MATCH:
        value = match.value(path)
        if value is not None:
            yield f" match {words} {'ospf6' if (path, value) == ('protocol', 'ospfv3') else value}"


def _sets(conf: Section) -> Iterator[str]:
    if conf.value("aggregator as") and conf.value("aggregator ip"):
        yield f" set aggregator as {conf.value('aggregator as')} {conf.value('aggregator ip')}"
    for path, words in _SET:
        if not conf.has(*path.split()):
            continue
        value = " ".join(conf.values(path)).replace("local-as", "local-AS")
        if not value:
            yield f" set {words}"
        else:
            yield f" set {words.format(value)}" if "{}" in words else f" set {words} {value}"
    bandwidth = conf.value("extcommunity bandwidth")
    if bandwidth:
        yield f" set extcommunity bandwidth {bandwidth}" + (" non-transitive" if conf.has("extcommunity", "bandwidth-non-transitive") else "")
