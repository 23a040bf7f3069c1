"""nat as an nftables ruleset."""

from __future__ import annotations

from leafspine_embedded.vyos.section import Section
from leafspine_embedded.vyos.tree import Tree

TABLE = "vyos_nat"


def nft_ruleset(tree: Tree) -> str:
    """A file for `nft -f` that replaces the NAT table in one step (and only removes it when there are no rules)."""
    replace = f"table ip {TABLE}\ndelete table ip {TABLE}\n"
    destination, source = _rules(tree, "destination"), _rules(tree, "source")
    if not destination and not source:
        return replace
    lines = [f"table ip {TABLE} {{"]
    for name, hook, priority, rules in (
        ("PREROUTING", "prerouting", -100, destination),
        ("POSTROUTING", "postrouting", 100, source),
    ):
        lines += [f"    chain {name} {{", f"        type nat hook {hook} priority {priority}; policy accept;"]
        lines += [f"        {rule}" for rule in rules]
        lines.append("    }")
    return replace + "\n".join([*lines, "}"]) + "\n"


def _rules(tree: Tree, side: str) -> list[str]:
    conf = Section(tree, "nat", side)
    rules = [(number, conf.at("rule", number)) for number in conf.keys("rule")]
    return [_rule(rule, number, side) for number, rule in rules if not rule.has("disable")]


def _rule(rule: Section, number: str, side: str) -> str:
    label = f"{'DST' if side == 'destination' else 'SRC'}-NAT-{number}"
    words: list[str] = []
    words += _interface(rule.value("inbound-interface name"), "iifname")
    words += _interface(rule.value("outbound-interface name"), "oifname")
    protocol = rule.value("protocol") or "all"
    if protocol != "all":
        words += ["meta l4proto", *_operand({"tcp_udp": "{ tcp, udp }", "!tcp_udp": "!{ tcp, udp }"}.get(protocol, protocol))]
    netmap = _is_prefix(rule.value("translation address")) and rule.value(f"{side} address") is not None
    for end in ("source", "destination"):
        address, port = rule.value(f"{end} address"), rule.value(f"{end} port")
        if address and not (netmap and end == side):
            words += [f"ip {end[0]}addr", *_operand(address)]
        if port:
            negated = "!= " if port.startswith("!") else ""
            words.append(f"th {end[0]}port {negated}{{ {port.removeprefix('!').replace(',', ', ')} }}")
    words.append("counter")
    if rule.has("log"):
        words.append(f'log prefix "[{label}{_log_suffix(rule)}]"')
    words += _action(rule, side)
    return " ".join([*words, f'comment "{label}"'])


def _operand(value: str) -> list[str]:
    return ["!=", value[1:]] if value.startswith("!") else [value]


def _interface(name: str | None, match: str) -> list[str]:
    if name is None or name == "any":
        return []
    plain = name.removeprefix("!").replace("\\", "")
    return [match, *(["!="] if name.startswith("!") else []), f'"{plain}"']


def _is_prefix(address: str | None) -> bool:
    return address is not None and "/" in address


def _log_suffix(rule: Section) -> str:
    if rule.has("exclude"):
        return "-EXCL"
    return "-MASQ" if rule.value("translation address") == "masquerade" else ""


def _action(rule: Section, side: str) -> list[str]:
    if rule.has("exclude"):
        return ["return"]
    address, port = rule.value("translation address"), rule.value("translation port")
    options = ["persistent"] if rule.value("translation options address-mapping") == "persistent" else []
    options += ["random"] if rule.value("translation options port-mapping") == "random" else []
    flags = [",".join(options)] if options else []
    verb = f"{side[0]}nat"
    if rule.has("translation", "redirect"):
        to = rule.value("translation redirect port")
        return ["redirect", *([f"to :{to}"] if to else []), *flags]
    if address == "masquerade":
        return ["masquerade", *([f"to :{port}"] if port else []), *flags]
    if _is_prefix(address):
        matched = rule.value(f"{side} address")
        to = f"ip prefix to ip {side[0]}addr map {{ {matched} : {address} }}" if matched else f"prefix to {address}"
        return [verb, to, *flags]
    return [verb, f"to {address or ''}{f':{port}' if port else ''}", *flags]
