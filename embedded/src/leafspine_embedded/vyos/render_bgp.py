"""protocols bgp as FRR configuration, in the order and form FRR's own `show running-config` has."""

from __future__ import annotations

from collections.abc import Iterator

from leafspine_embedded.vyos.section import Section
from leafspine_embedded.vyos.tree import Tree

FAMILIES = {"ipv4-unicast": "ipv4 unicast", "ipv6-unicast": "ipv6 unicast"}
# FRR writes the sources in the order of its route types.
REDISTRIBUTE = ["kernel", "connected", "static", "rip", "ripng", "ospf", "ospfv3", "isis", "table", "babel"]


def bgp(tree: Tree) -> list[str]:
    """Lines of `router bgp`, [] without BGP."""
    conf = Section(tree, "protocols", "bgp")
    asn = conf.value("system-as")
    if asn is None:
        return []
    lines = [f"router bgp {asn}", *(f" {line}" for line in _parameters(conf))]
    for kind, group in (("peer-group", True), ("neighbor", False)):
        for name in conf.keys(kind):
            lines += [f" {line}" for line in _peer(conf, conf.at(kind, name), name, group=group)]
    lines += [f" {line}" for line in (*_listen(conf), *_late_parameters(conf.at("parameters")))]
    for family, title in FAMILIES.items():
        inner = list(_family(conf, family))
        if inner:
            lines += [" !", f" address-family {title}", *(f"  {line}" for line in inner), " exit-address-family"]
    return [*lines, "exit"]


def _parameters(conf: Section) -> Iterator[str]:
    p = conf.at("parameters")
    yield from p.flag("no-fast-external-failover", "no bgp fast-external-failover")
    yield from p.one("router-id", "bgp router-id {}")
    yield from p.flag("log-neighbor-changes", "bgp log-neighbor-changes")
    yield from p.flag("always-compare-med", "bgp always-compare-med")
    yield "bgp ebgp-requires-policy" if p.has("ebgp-requires-policy") else "no bgp ebgp-requires-policy"
    yield from p.flag("no-suppress-duplicates", "no bgp suppress-duplicates")
    yield from p.flag("no-hard-administrative-reset", "no bgp hard-administrative-reset")
    yield "no bgp default ipv4-unicast"
    yield from p.one("default local-pref", "bgp default local-preference {}")
    yield from p.flag("graceful-shutdown", "bgp graceful-shutdown")
    yield from p.flag("no-client-to-client-reflection", "no bgp client-to-client reflection")
    yield from p.one("cluster-id", "bgp cluster-id {}")
    yield from p.one("confederation identifier", "bgp confederation identifier {}")
    if p.values("confederation peers"):
        yield f"bgp confederation peers {' '.join(p.values('confederation peers'))}"
    yield from p.flag("deterministic-med", "bgp deterministic-med")
    yield from _restart(p)
    for option in ("ignore", "confed", "multipath-relax"):
        yield from p.flag(f"bestpath as-path {option}", f"bgp bestpath as-path {option}")
    yield from p.flag("route-reflector-allow-outbound-policy", "bgp route-reflector allow-outbound-policy")
    yield from p.flag("bestpath compare-routerid", "bgp bestpath compare-routerid")
    if p.values("bestpath med"):
        yield f"bgp bestpath med {' '.join(p.values('bestpath med'))}"
    yield from p.flag("bestpath peer-type multipath-relax", "bgp bestpath peer-type multipath-relax")
    yield from p.one("bestpath bandwidth", "bgp bestpath bandwidth {}")
    if not p.has("network-import-check"):
        yield "no bgp network import-check"  # the check is FRR's default
    timers = conf.at("timers")
    if timers.value("keepalive") and timers.value("holdtime"):
        yield f"timers bgp {timers.value('keepalive')} {timers.value('holdtime')}"
    yield from p.one("minimum-holdtime", "bgp minimum-holdtime {}")
    yield from p.one("conditional-advertisement timer", "bgp conditional-advertisement timer {}")


def _late_parameters(p: Section) -> Iterator[str]:
    """Parameters that FRR writes behind the neighbours."""
    yield from p.flag("allow-martian-nexthop", "bgp allow-martian-nexthop")
    yield from p.flag("disable-ebgp-connected-route-check", "bgp disable-ebgp-connected-route-check")
    yield from p.flag("fast-convergence", "bgp fast-convergence")
    yield from p.flag("reject-as-sets", "bgp reject-as-sets")
    yield from p.flag("suppress-fib-pending", "bgp suppress-fib-pending")
    yield from p.flag("shutdown", "bgp shutdown")


def _restart(p: Section) -> Iterator[str]:
    if not p.has("graceful-restart"):
        return
    yield from p.one("graceful-restart stalepath-time", "bgp graceful-restart stalepath-time {}")
    yield "bgp graceful-restart"


def _distance(conf: Section, numbers: Section) -> Iterator[str]:
    if numbers.value("external"):
        yield f"distance bgp {numbers.value('external')} {numbers.value('internal')} {numbers.value('local')}"
    for prefix in conf.keys("prefix"):
        yield f"distance {conf.at('prefix', prefix).value('distance')} {prefix}"


def _listen(conf: Section) -> Iterator[str]:
    if conf.value("listen limit") != "100":  # FRR's default, which it does not write
        yield from conf.one("listen limit", "bgp listen limit {}")
    for prefix in conf.keys("listen", "range"):
        yield f"bgp listen range {prefix} peer-group {conf.at('listen', 'range', prefix).value('peer-group')}"


def _identity(peer: Section, name: str, *, group: bool) -> Iterator[str]:
    """The lines that create a neighbour."""
    if group:
        yield f"neighbor {name} peer-group"
    interface = peer.at("interface")
    if interface.has("v6only"):
        v6only = interface.at("v6only")
        for option in ("peer-group", "remote-as"):
            yield from v6only.one(option, f"neighbor {name} interface v6only {option} {{}}")
    for option in ("peer-group", "remote-as"):
        yield from interface.one(option, f"neighbor {name} interface {option} {{}}")
    yield from interface.one("source-interface", f"neighbor {name} interface {{}}")
    yield from peer.one("remote-as", f"neighbor {name} remote-as {{}}")
    yield from peer.one("peer-group", f"neighbor {name} peer-group {{}}")


def remote_as(conf: Section, peer: Section) -> str | None:
    """The AS of a neighbour: its own, its peer-group's, or that of its interface node."""
    for section in (peer, peer.at("interface"), peer.at("interface", "v6only")):
        own = section.value("remote-as")
        if own:
            return own
        group = section.value("peer-group")
        if group and (of_group := conf.at("peer-group", group).value("remote-as")):
            return of_group
    return None


def _peer(conf: Section, peer: Section, name: str, *, group: bool) -> Iterator[str]:
    yield from _identity(peer, name, group=group)
    n = f"neighbor {name}"
    for asn in peer.keys("local-as"):
        words = [n, "local-as", asn]
        if peer.has("local-as", asn, "no-prepend"):
            words.append("no-prepend")
            words += ["replace-as"] if peer.has("local-as", asn, "no-prepend", "replace-as") else []
        yield " ".join(words)
    if peer.value("description"):
        yield f"{n} description {peer.value('description')}"
    yield from peer.flag("shutdown", f"{n} shutdown")
    yield from peer.flag("bfd", f"{n} bfd")
    yield from peer.flag("bfd check-control-plane-failure", f"{n} bfd check-control-plane-failure")
    yield from peer.one("bfd profile", f"{n} bfd profile {{}}")
    if peer.value("password"):
        yield f"{n} password {peer.value('password')}"
    yield from peer.flag("solo", f"{n} solo")
    yield from peer.one("port", f"{n} port {{}}")
    yield from peer.flag("passive", f"{n} passive")
    yield from _multihop(conf, peer, n)
    for role in peer.keys("local-role"):
        yield f"{n} local-role {role}" + (" strict-mode" if peer.has("local-role", role, "strict") else "")
    yield from peer.one("ttl-security hops", f"{n} ttl-security hops {{}}")
    yield from peer.flag("disable-connected-check", f"{n} disable-connected-check")
    yield from peer.flag("enforce-first-as", f"{n} enforce-first-as")
    yield from peer.one("update-source", f"{n} update-source {{}}")
    yield from peer.one("advertisement-interval", f"{n} advertisement-interval {{}}")
    if peer.value("timers keepalive") and peer.value("timers holdtime"):
        yield f"{n} timers {peer.value('timers keepalive')} {peer.value('timers holdtime')}"
    yield from peer.one("timers connect", f"{n} timers connect {{}}")
    yield from peer.flag("capability dynamic", f"{n} capability dynamic")
    yield from peer.flag("capability extended-nexthop", f"{n} capability extended-nexthop")
    yield from peer.flag("disable-capability-negotiation", f"{n} dont-capability-negotiate")
    yield from peer.flag("override-capability", f"{n} override-capability")
    yield from peer.flag("strict-capability-match", f"{n} strict-capability-match")
    restart = {"enable": "graceful-restart", "disable": "graceful-restart-disable", "restart-helper": "graceful-restart-helper"}
    if peer.value("graceful-restart"):
        yield f"{n} {restart[peer.value('graceful-restart') or '']}"


def _multihop(conf: Section, peer: Section, n: str) -> Iterator[str]:
    # FRR drops ebgp-multihop on an iBGP neighbour.
    if remote_as(conf, peer) not in ("internal", conf.value("system-as")):
        yield from peer.one("ebgp-multihop", f"{n} ebgp-multihop {{}}")


def _family(conf: Section, family: str) -> Iterator[str]:
    af = conf.at("address-family", family)
    if family == "ipv4-unicast" and not af.has("distance"):
        yield from _distance(conf.at("parameters", "distance"), conf.at("parameters", "distance", "global"))
    yield from _distance(af.at("distance"), af.at("distance"))
    for prefix in af.keys("network"):
        network = af.at("network", prefix)
        words = [f"network {prefix}"]
        words += [f"route-map {network.value('route-map')}"] if network.value("route-map") else []
        words += ["backdoor"] if network.has("backdoor") else []
        yield " ".join(words)
    for prefix in af.keys("aggregate-address"):
        aggregate = af.at("aggregate-address", prefix)
        words = [f"aggregate-address {prefix}", *(w for w in ("as-set", "summary-only") if aggregate.has(w))]
        words += [f"route-map {aggregate.value('route-map')}"] if aggregate.value("route-map") else []
        yield " ".join(words)
    yield from _redistribute(af)
    for kind in ("peer-group", "neighbor"):
        for name in conf.keys(kind):
            if conf.has(kind, name, "address-family", family):
                yield from _peer_family(conf.at(kind, name, "address-family", family), f"neighbor {name}")
    for kind, command in (("ebgp", "maximum-paths"), ("ibgp", "maximum-paths ibgp")):
        paths = af.value(f"maximum-paths {kind}")
        if paths not in (None, "256"):  # FRR's default, which it does not write
            yield f"{command} {paths}"


def _redistribute(af: Section) -> Iterator[str]:
    for source in REDISTRIBUTE:
        if af.has("redistribute", source):
            if source == "table":
                yield from af.one("redistribute table", "redistribute table {}")
                continue
            options = af.at("redistribute", source)
            words = ["redistribute", {"ospfv3": "ospf6"}.get(source, source)]
            words += [word for name in ("metric", "route-map") if (v := options.value(name)) for word in (name, v)]
            yield " ".join(words)


def _peer_family(af: Section, n: str) -> Iterator[str]:
    yield f"{n} activate"
    yield from af.flag("addpath-tx-all", f"{n} addpath-tx-all-paths")
    yield from af.flag("addpath-tx-per-as", f"{n} addpath-tx-bestpath-per-AS")
    orf = [way for way in ("send", "receive") if af.has("capability", "orf", "prefix-list", way)]
    if orf:
        yield f"{n} capability orf prefix-list {'both' if len(orf) == 2 else orf[0]}"
    yield from af.flag("route-reflector-client", f"{n} route-reflector-client")
    if af.has("nexthop-self"):
        yield f"{n} next-hop-self" + (" force" if af.has("nexthop-self", "force") else "")
    if af.has("remove-private-as"):
        yield f"{n} remove-private-AS" + (" all" if af.has("remove-private-as", "all") else "")
    yield from af.flag("as-override", f"{n} as-override")
    yield from _send_community(af, n)
    if af.has("default-originate"):
        name = af.value("default-originate route-map")
        yield f"{n} default-originate" + (f" route-map {name}" if name else "")
    yield from af.flag("soft-reconfiguration inbound", f"{n} soft-reconfiguration inbound")
    yield from af.one("maximum-prefix", f"{n} maximum-prefix {{}}")
    yield from af.one("maximum-prefix-out", f"{n} maximum-prefix-out {{}}")
    yield from af.flag("route-server-client", f"{n} route-server-client")
    yield from af.flag("nexthop-local unchanged", f"{n} nexthop-local unchanged")
    if af.has("allowas-in"):
        yield f"{n} allowas-in" + (f" {af.value('allowas-in number')}" if af.value("allowas-in number") else "")
    yield from af.one("weight", f"{n} weight {{}}")
    for what in ("distribute-list", "prefix-list", "route-map", "filter-list"):
        yield from af.one(f"{what} import", f"{n} {what} {{}} in")
        yield from af.one(f"{what} export", f"{n} {what} {{}} out")
    yield from af.one("unsuppress-map", f"{n} unsuppress-map {{}}")
    yield from _conditional(af, n)
    unchanged = [name for name in ("as-path", "next-hop", "med") if af.has("attribute-unchanged", name)]
    if af.has("route-server-client") and not af.has("attribute-unchanged"):
        unchanged = ["next-hop"]  # FRR adds this itself
    if unchanged or af.has("attribute-unchanged"):
        yield " ".join([n, "attribute-unchanged", *(unchanged if len(unchanged) < 3 else [])])


def _send_community(af: Section, n: str) -> Iterator[str]:
    off = [kind for kind in ("standard", "extended") if af.has("disable-send-community", kind)]
    yield from (f"no {n} send-community {kind}" for kind in off)


def _conditional(af: Section, n: str) -> Iterator[str]:
    advertise = af.value("conditionally-advertise advertise-map")
    for kind in ("exist-map", "non-exist-map"):
        name = af.value(f"conditionally-advertise {kind}")
        if advertise and name:
            yield f"{n} advertise-map {advertise} {kind} {name}"
