"""Checks of protocols bgp at commit, with VyOS's texts."""

from __future__ import annotations

import re

from leafspine_embedded.vyos.checks import INTERFACE, is_address
from leafspine_embedded.vyos.model import CommitError
from leafspine_embedded.vyos.render_bgp import remote_as
from leafspine_embedded.vyos.section import Section
from leafspine_embedded.vyos.tree import Tree

SECTION = "protocols bgp"


def verify_bgp(tree: Tree) -> list[str]:
    """Warnings. Raises CommitError."""
    conf = Section(tree, "protocols", "bgp")
    if not conf.has():
        return []
    if conf.value("system-as") is None:
        raise _error("BGP system-as number must be defined!")
    warnings: list[str] = []
    internal: dict[str, bool] = {}
    for name in conf.keys("neighbor"):
        peer = conf.at("neighbor", name)
        _group_members(conf, peer, internal)
        _common(conf, peer, name, neighbor=True)
        warnings += _neighbor(conf, peer, name)
        _local_as(conf, peer, name)
        _families(conf, peer)
    for name in conf.keys("peer-group"):
        peer = conf.at("peer-group", name)
        _common(conf, peer, name, neighbor=False)
        _local_as(conf, peer, name)
        _families(conf, peer)
    _listen(conf)
    _numbers(conf)
    return warnings


def _error(text: str) -> CommitError:
    return CommitError(SECTION, text)


def _group_members(conf: Section, peer: Section, internal: dict[str, bool]) -> None:
    group = peer.value("peer-group")
    if group is None:
        return
    if not conf.has("peer-group", group):
        raise _error(f'Specified peer-group "{group}" for neighbor "neighbor" does not exist!')
    asn = peer.value("remote-as")
    if asn is not None and internal.setdefault(group, _is_internal(conf, asn)) != _is_internal(conf, asn):
        raise _error("Peer-group members must be all internal or all external")


def _is_internal(conf: Section, asn: str | None) -> bool:
    return asn in ("internal", conf.value("system-as"))


def _common(conf: Section, peer: Section, name: str, *, neighbor: bool) -> None:
    if len(peer.keys("local-role")) > 1:
        raise _error(f'Only one local role can be specified for peer "{name}"!')
    numbers = peer.keys("local-as")
    if len(numbers) > 1:
        raise _error(f'Only one local-as number can be specified for peer "{name}"!')
    if numbers and numbers[0] == conf.value("system-as"):
        raise _error("Cannot have local-as same as system-as number")
    if numbers and neighbor and peer.value("remote-as") == numbers[0]:
        raise _error(f'Neighbor "{name}" has local-as specified which is the same as remote-as, this is not allowed!')
    if peer.has("ebgp-multihop") and peer.has("ttl-security"):
        raise _error("You can not set both ebgp-multihop and ttl-security hops")
    if peer.has("ebgp-multihop") and peer.has("interface"):
        raise _error(f'Ebgp-multihop can not be used with directly connected neighbor "{name}"')
    if peer.has("override-capability") and peer.has("strict-capability-match"):
        raise _error(f'Neighbor "{name}" cannot have both override-capability and strict-capability-match configured at the same time!')
    if " " in (peer.value("password") or ""):
        raise _error("Whitespace is not allowed in passwords!")


def _neighbor(conf: Section, peer: Section, name: str) -> list[str]:
    if remote_as(conf, peer) is None:
        raise _error(f'Neighbor "{name}" remote-as must be set!')
    places = [peer, peer.at("interface"), peer.at("interface", "v6only")]
    groups = [group for place in places if (group := place.value("peer-group"))]
    warnings: list[str] = []
    if not peer.has("address-family") and not any(conf.has("peer-group", group, "address-family") for group in groups):
        warnings.append(f'BGP neighbor "{name}" requires address-family!')
    for place in places:
        group = place.value("peer-group")
        if group and place.value("remote-as") and conf.has("peer-group", group, "remote-as"):
            raise _error(f'Peer-group member "{name}" cannot override remote-as of peer-group "{group}"!')
    if is_address(name):
        if _is_local(conf.tree, name):
            raise _error(f'Can not configure local address as neighbor "{name}" in default VRF!')
    elif re.fullmatch(INTERFACE, name):
        for option in ("peer-group", "remote-as"):
            if peer.has(option):
                raise _error(f'{option} must be set under the interface node of "{name}"')
        if peer.has("interface", "source-interface"):
            raise _error(f'"source-interface" option not allowed for neighbor "{name}"')
    return warnings


def _is_local(tree: Tree, ip: str) -> bool:
    for kind in ("ethernet", "dummy", "loopback"):
        for name in tree.keys("interfaces", kind):
            if any(address.partition("/")[0] == ip for address in tree.values("interfaces", kind, name, "address")):
                return True
    return False


def _local_as(conf: Section, peer: Section, name: str) -> None:
    if peer.has("local-as") and remote_as(conf, peer) == conf.value("system-as"):
        raise _error(f'local-as configured for "{name}", allowed only for eBGP peers!')


def _families(conf: Section, peer: Section) -> None:
    for family in ("ipv4-unicast", "ipv6-unicast"):
        if not peer.has("address-family", family):
            continue
        af = peer.at("address-family", family)
        _conditional(conf, af.at("conditionally-advertise"))
        if af.has("addpath-tx-per-as") and not conf.has("parameters", "deterministic-med"):
            raise _error("addpath-tx-per-as requires BGP deterministic-med paramtere to be set!")
        version = "6" if family == "ipv6-unicast" else ""
        for way in ("import", "export"):
            name = af.value(f"prefix-list {way}")
            if name and conf.tree.get(["policy", f"prefix-list{version}", name]) is None:
                raise _error(f'Specified prefix-list{version} "{name}" does not exist!')
            if name and af.value(f"distribute-list {way}"):
                raise _error("% Prefix/distribute list can not co-exist")
        for way in ("import", "export"):
            _route_map(conf, af.value(f"route-map {way}"))
        if af.has("route-reflector-client"):
            _reflector(conf, peer)


def _reflector(conf: Section, peer: Section) -> None:
    """VyOS looks at the peer's own remote-as first, and for members at the group's too."""
    group = peer.value("peer-group")
    numbers = [peer.value("remote-as")] if group is None or peer.has("remote-as") else [conf.at("peer-group", group).value("remote-as")]
    if not all(_is_internal(conf, asn) for asn in numbers):
        raise _error("route-reflector-client only supported for iBGP peers")


def _route_map(conf: Section, name: str | None) -> None:
    if name is not None and conf.tree.get(["policy", "route-map", name]) is None:
        raise _error(f'Specified route-map "{name}" does not exist!')


def _conditional(conf: Section, section: Section) -> None:
    if not section.has():
        return
    maps = [section.value(name) for name in ("exist-map", "non-exist-map")]
    if section.value("advertise-map") is None:
        raise _error("Must speficy advertise-map when conditionally-advertise is in use!")
    _route_map(conf, section.value("advertise-map"))
    if maps == [None, None]:
        raise _error("Must either speficy exist-map or non-exist-map when conditionally-advertise is in use!")
    if None not in maps:
        raise _error("Can not specify both exist-map and non-exist-map for conditionally-advertise!")
    for name in maps:
        _route_map(conf, name)


def _listen(conf: Section) -> None:
    for prefix in conf.keys("listen", "range"):
        group = conf.at("listen", "range", prefix).value("peer-group")
        if group is None:
            raise _error(f'Listen range for prefix "{prefix}" has no peer group configured.')
        if not conf.has("peer-group", group):
            raise _error(f'Peer-group "{group}" for listen range "{prefix}" does not exist!')
        if conf.at("peer-group", group).value("remote-as") is None:
            raise _error(f'Peer-group "{group}" requires remote-as to be set!')


def _numbers(conf: Section) -> None:
    """Settings of which VyOS wants all parts."""
    whole = conf.at("parameters", "distance", "global")
    for name in ("external", "internal", "local"):
        if whole.has() and whole.value(name) is None:
            raise _error(f"Missing mandatory configuration option for global administrative distance {name}!")
        for family in conf.keys("address-family"):
            distance = conf.at("address-family", family, "distance")
            if distance.has() and distance.value(name) is None:
                raise _error(f"Missing mandatory configuration option for {family.replace('-', '_')} administrative distance {name}!")
