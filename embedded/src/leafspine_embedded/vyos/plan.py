"""What the kernel of a router's namespace should look like, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from leafspine_embedded.vyos.section import Section
from leafspine_embedded.vyos.tree import Tree

# ip option -> (sysctl below net.ipv4.conf.<interface>, value when set, value when not set)
_IP_FLAGS = {
    "disable-arp-filter": ("arp_filter", "0", "1"),
    "enable-arp-accept": ("arp_accept", "1", "0"),
    "enable-arp-announce": ("arp_announce", "1", "0"),
    "enable-arp-ignore": ("arp_ignore", "1", "0"),
    "enable-directed-broadcast": ("bc_forwarding", "1", "0"),
    "enable-proxy-arp": ("proxy_arp", "1", "0"),
    "proxy-arp-pvlan": ("proxy_arp_pvlan", "1", "0"),
}
_RP_FILTER = {"strict": "1", "loose": "2", "disable": "0", None: "0"}


@dataclass(slots=True)
class InterfacePlan:
    """One interface. `kind`: ethernet (exists already), dummy (to create) or loopback. `mtu` None: leave it."""

    name: str
    kind: str
    addresses: list[str] = field(default_factory=list)
    mtu: int | None = None
    up: bool = True
    description: str = ""
    mac: str | None = None


@dataclass(slots=True)
class KernelPlan:
    """All interfaces, and sysctls by name in the order to apply them (a later name wins over an earlier effect).

    Names contain interface names as a path component: split them with `sysctl_path`.
    """

    hostname: str
    interfaces: dict[str, InterfacePlan]
    sysctls: dict[str, str]


def sysctl_path(name: str) -> str:
    """Path below /proc/sys of a sysctl whose interface, if any, is written as in `net.ipv4.conf.eth1.rp_filter`."""
    return name.replace(".", "/")


def kernel_plan(tree: Tree) -> KernelPlan:
    interfaces: dict[str, InterfacePlan] = {}
    sysctls = _system_sysctls(tree)
    for kind in ("ethernet", "dummy", "loopback"):
        for name in tree.keys("interfaces", kind):
            conf = Section(tree, "interfaces", kind, name)
            interfaces[name] = _interface(conf, name, kind)
            sysctls.update(_interface_sysctls(conf, name, kind))
    for name in tree.keys("system", "sysctl", "parameter"):
        value = tree.value("system", "sysctl", "parameter", name, "value")
        if value is not None:
            sysctls.pop(name, None)
            sysctls[name] = value
    return KernelPlan(tree.value("system", "host-name") or "vyos", interfaces, sysctls)


def _interface(conf: Section, name: str, kind: str) -> InterfacePlan:
    mtu = conf.value("mtu")
    return InterfacePlan(
        name=name,
        kind=kind,
        addresses=conf.values("address"),
        mtu=int(mtu) if mtu else 1500 if kind == "dummy" else None,
        up=not conf.has("disable"),
        description=conf.value("description") or "",
        mac=conf.value("mac"),
    )


def _interface_sysctls(conf: Section, name: str, kind: str) -> dict[str, str]:
    prefix = f"net.ipv4.conf.{name}"
    found = {f"{prefix}.rp_filter": _RP_FILTER[conf.value("ip source-validation")]}
    if kind == "ethernet":
        for option, (sysctl, on, off) in _IP_FLAGS.items():
            found[f"{prefix}.{sysctl}"] = on if conf.has("ip", option) else off
        forwarding = not conf.has("ip", "disable-forwarding") and not conf.tree.exists(["system", "ip", "disable-forwarding"])
        found[f"{prefix}.forwarding"] = "1" if forwarding else "0"
        seconds = conf.value("ip arp-cache-timeout")
        found[f"net.ipv4.neigh.{name}.base_reachable_time_ms"] = str(int(seconds or 30) * 1000)
        found |= {
            f"net.ipv6.conf.{name}.{sysctl}": value
            for option, sysctl in (("accept-dad", "accept_dad"), ("dup-addr-detect-transmits", "dad_transmits"))
            if (value := conf.value(f"ipv6 {option}")) is not None
        }
    elif conf.has("ip", "disable-forwarding"):
        found[f"{prefix}.forwarding"] = "0"
    if conf.has("ipv6", "disable-forwarding"):
        found[f"net.ipv6.conf.{name}.forwarding"] = "0"
    return found


def _system_sysctls(tree: Tree) -> dict[str, str]:
    """Sysctls of `system ip` and `system ipv6`, at VyOS's defaults when nothing is set.

    The size of the neighbour tables is one per kernel, not per namespace, and is left alone.
    """
    ip, ipv6 = Section(tree, "system", "ip"), Section(tree, "system", "ipv6")
    found = {
        "net.ipv4.conf.all.forwarding": "0" if ip.has("disable-forwarding") else "1",
        "net.ipv6.conf.all.forwarding": "0" if ipv6.has("disable-forwarding") else "1",
        "net.ipv4.conf.all.rp_filter": "0",
        "net.ipv4.conf.default.rp_filter": "0",
        "net.ipv6.conf.all.keep_addr_on_down": "1",  # else `disable` and its end lose the IPv6 addresses
        "net.ipv4.fib_multipath_hash_policy": "1" if ip.has("multipath", "layer4-hashing") else "0",
        "net.ipv4.fib_multipath_use_neigh": "1" if ip.has("multipath", "ignore-unreachable-nexthops") else "0",
        "net.ipv6.fib_multipath_hash_policy": "1" if ipv6.has("multipath", "layer4-hashing") else "0",
    }
    probing = {"on-icmp-black-hole": "1", "force": "2"}.get(ip.value("tcp mss probing") or "", "0")
    found["net.ipv4.tcp_mtu_probing"] = probing
    for option, sysctl in (("base", "tcp_base_mss"), ("floor", "tcp_mtu_probe_floor")):
        value = ip.value(f"tcp mss {option}")
        if value is not None:
            found[f"net.ipv4.{sysctl}"] = value
    return found
