"""The operational commands: a table, and the walk of a line through it.

One word a row, children indented by two spaces. `.` behind a word: the command may end here.
`<name>`: any word. `<*>`: everything that follows. ` | text`: help. `&block` as in `schema`.
`~name`: VyOS has it, this engine has not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from leafspine_embedded.vyos.schema import bracketed, match, possible_completions

TABLE = """
block neighbor-routes
  advertised-routes .
  received-routes .
  filtered-routes .
  prefix-counts .
  routes .
  dampened-routes .
  flap-statistics .
block bgp-common
  cidr-only .
  community .
    <community> .
      exact-match .
  community-list
    <list> .
      exact-match .
  filter-list
    <list> .
  large-community .
    <community> .
      exact-match .
  large-community-list
    <list> .
      exact-match .
  neighbors .
    <neighbor> .
      &neighbor-routes
  prefix-list
    <list> .
  regexp
    <regexp> .
  route-map
    <name> .
  statistics .
  summary . | Summary of BGP neighbor status
    established .
    failed .
  wide .
block route-sources
  bgp . | Border Gateway Protocol (BGP)
  connected . | Connected routes
  kernel . | Kernel routes
  static . | Static routes
  supernets-only .
  summary . | Summary of all routes
  table
    <table> .
  tag
    <tag> .
block clear-options
  in .
    prefix-filter .
  message-stats .
  out .
  soft .
    in .
    out .
show | Show system information
  ~acceleration
  ~bridge
  ~cluster
  ~conntrack
  ~conntrack-sync
  ~console-server
  ~container
  ~dhcp
  ~dhcpv6
  ~disk
  ~dns
  ~evpn
  ~file
  ~firewall
  ~flow-accounting
  ~hardware
  ~ipoe-server
  ~isis
  ~kernel
  ~l2tp-server
  ~load-balancing
  ~login
  ~mpls
  ~nat66
  ~nhrp
  ~ntp
  ~openvpn
  ~ospfv3
  ~pki
  ~poweroff
  ~pppoe-server
  ~pptp-server
  ~queueing
  ~raid
  ~reboot
  ~remote-config
  ~rpki
  ~segment-routing
  ~sflow
  ~snmp
  ~sstp-server
  ~tech-support
  ~vpn
  ~vrf
  ~vrrp
  ~wan-load-balance
  ~webproxy
  ~wireless
  ~zebra
  ~zone-policy
  arp . | Address Resolution Protocol
    interface
      <interface> .
  bfd | Bidirectional forwarding detection
    peer .
      <peer> .
        counters .
    peers .
      brief .
      counters .
  bgp . | BGP information
    &bgp-common
    ipv4 . | IPv4 routes
      &bgp-common
      unicast . | IPv4 unicast routes
      <prefix> .
        bestpath .
        longer-prefixes .
        multipath .
    ipv6 . | IPv6 routes
      &bgp-common
      unicast .
      <prefix> .
        bestpath .
        longer-prefixes .
        multipath .
  configuration . | Running configuration
    all .
    commands . | As set commands
    files . | Saved configurations
    json . | As JSON
      pretty . | Readable
  date .
  history .
  host | Host information
    date .
    domain .
    name . | Host name
    os .
  interfaces . | Network interfaces
    counters .
    detail .
    summary .
    dummy .
      <interface> .
        brief .
    ethernet .
      <interface> .
        brief .
        statistics .
    loopback .
      <interface> .
        brief .
  ip | IPv4 networking
    access-list .
      <name> .
    as-path-access-list .
      <name> .
    bgp . | Border Gateway Protocol (BGP)
      &bgp-common
      ipv4
        unicast .
          summary .
          neighbors
            <neighbor> .
              &neighbor-routes
    community-list .
      <name> .
    extcommunity-list .
      <name> .
    ~igmp
    ~multicast
    ~ospf
    ~pim
    ~rip
    large-community-list .
      <name> .
    neighbors .
      interface
        <interface> .
    nht .
    prefix-list .
      <name> .
    route . | Routes
      &route-sources
      <prefix> .
        longer-prefixes .
  ipv6
    access-list .
      <name> .
    neighbors .
    nht .
    ~ospfv3
    ~ripng
    prefix-list .
      <name> .
    route .
      &route-sources
      <prefix> .
        longer-prefixes .
  lldp
    neighbors .
      detail .
  log . | System log
    protocol | Log of a routing daemon
      bfd . | Bidirectional forwarding detection
      bgp . | Border Gateway Protocol (BGP)
      static . | Static routes
      zebra . | Routing table
      ~babel
      ~isis
      ~nhrp
      ~ospf
      ~ospfv3
      ~rip
      ~ripng
    tail . | Last lines
      <lines> . | Number of lines
    ~authorization
    ~cluster
    ~conntrack-sync
    ~dhcp
    ~firewall
    ~https
    ~kernel
    ~lldp
    ~nat
    ~openvpn
    ~snmp
    ~vpn
    ~vrrp
    ~webproxy
  nat | Network Address Translation
    destination
      rules .
      statistics .
      translations .
    source
      rules .
      statistics .
      translations .
  protocols
    static
      arp .
  route-map .
    <name> .
  system | System information
    commit . | Commits
    cpu .
    login
      users .
    memory .
    processes .
    routing-daemons .
    storage .
    uptime .
  users .
  version . | Version
monitor | Watch as it happens, until Control-C
  ~bandwidth
  ~bandwidth-test
  ~bridge
  ~cluster
  ~command
  ~conntrack-sync
  ~container
  ~content-inspection
  ~dhcp
  ~dns
  ~lldp
  ~nat
  ~ndp
  ~ntp
  ~openvpn
  ~pppoe-server
  ~protocol
  ~traceroute
  ~vpn
  ~webproxy
  log . | System log
  traffic | Packets
    interface
      <interface> .
        filter
          <expression> .
ping
  <host> .
    <*> .
traceroute
  <host> .
    <*> .
reset
  bgp
    all .
    ipv4
      all .
      <neighbor> .
        &clear-options
    ipv6
      all .
      <neighbor> .
        &clear-options
    external .
      &clear-options
    <neighbor> .
      &clear-options
  ip
    bgp
      all .
      external .
        &clear-options
      <neighbor> .
        &clear-options
set
  terminal
    length
      <lines> .
    width
      <columns> .
    pager .
      <pager> .
    key
      query-help
        <setting> .
  console
    <*> .
  date
    <*> .
  system
    image
      <*> .
~add
~connect
~copy
~disconnect
~execute
~force
~generate
~import
~install
~mtr
~poweroff
~reboot
~release
~rename
~renew
~restart
~telnet
~update
clear
  ip
    arp
      <*> .
delete
  log
    <*> .
  system
    image
      <*> .
configure . | Enter configuration mode
exit .
logout .
"""


@dataclass(slots=True)
class Word:
    """One row: `complete` says whether a command may end here."""

    name: str
    complete: bool = False
    help: str = ""
    supported: bool = True
    children: dict[str, Word] = field(default_factory=dict)


class OpError(Exception):
    """`Invalid command`, `Incomplete command` or `Ambiguous command`, without indentation."""

    def __init__(self, *lines: str) -> None:
        super().__init__(lines[0])
        self.lines = list(lines)


@lru_cache(maxsize=1)
def table() -> Word:
    root, blocks = Word(""), dict[str, Word]()
    stack: list[tuple[int, Word]] = [(-1, root)]
    for raw in TABLE.split("\n"):
        line = raw.strip()
        if not line:
            continue
        indent = len(raw) - len(raw.lstrip())
        while stack[-1][0] >= indent:
            stack.pop()
        parent = stack[-1][1]
        body, _, text = line.partition(" | ")
        if body.startswith("block "):
            row = blocks.setdefault(body[6:], Word(body[6:]))
        elif body.startswith("&"):
            parent.children.update(blocks[body[1:]].children)
            continue
        else:
            name, _, end = body.partition(" ")
            plain = name.lstrip("~")
            row = parent.children.setdefault(plain, Word(plain, end == ".", text, supported=plain == name))
        stack.append((indent, row))
    return root


def resolve(words: Sequence[str]) -> list[str]:
    """The full words of an operational command. Raises OpError."""
    row, full = table(), list[str]()
    for index, word in enumerate(words):
        found = match(word, [name for name in row.children if not name.startswith("<")])
        if len(found) > 1:
            rows = [(name, row.children[name].help) for name in sorted(found)]
            raise OpError(f"Ambiguous command: {bracketed(full, word)}", *possible_completions(rows))
        if found:
            row = row.children[found[0]]
            full.append(row.name)
            if not row.supported:
                raise OpError(f"Invalid command: [{' '.join(full)}] is not supported by the embedded engine")
            continue
        if "<*>" in row.children:
            return [*full, *words[index:]]
        free = [child for name, child in row.children.items() if name.startswith("<")]
        if not free:
            raise OpError(f"Invalid command: {bracketed(full, word)}")
        row = free[0]
        full.append(word)
    if not row.complete:
        raise OpError(f"Incomplete command: {' '.join(full)}")
    return full
