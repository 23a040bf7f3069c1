"""protocols static and bfd, and the protocols this engine does not run."""

TEXT = r"""
block static-common
  blackhole | Drop silently
    =distance: num(1-255) | Distance
    =tag: num(1-4294967295) | Tag
  =description: description | Description
  @interface: interface | Interface
    !disable | Do not use it
    =distance: num(1-255) | Distance
    ~segments | SRv6 segments
    ~vrf | VRF
  reject | Drop and say so
    =distance: num(1-255) | Distance
    =tag: num(1-4294967295) | Tag
block static-hop
  ~bfd | BFD monitoring
  !disable | Do not use it
  =distance: num(1-255) | Distance
  =interface: interface | Interface
  ~segments | SRv6 segments
  ~vrf | VRF
block static-routes
  @route: ipv4-prefix | IPv4 route
    &static-common
    ~dhcp-interface | Next hop from DHCP
    @next-hop: ipv4 | Next hop
      &static-hop
  @route6: ipv6-prefix | IPv6 route
    &static-common
    @next-hop: ipv6 | Next hop
      &static-hop
block bfd-common
  !echo-mode | Echo packets
  interval | Intervals
    =receive: num(10-60000) | Milliseconds
    =transmit: num(10-60000) | Milliseconds
    =multiplier: num(2-255) | Lost packets until down
    =echo-interval: num(10-60000) | Milliseconds
  =minimum-ttl: num(1-254) | Least TTL
  !passive | Do not start the session
  !shutdown | Administratively down
protocols | Routing protocols
  static | Static routes
    &static-routes
    =route-map: route-map | Filter towards the kernel
    @table: num(1-200) | Other routing table
      =description: description | Description
      &static-routes
    ~arp | Static ARP
    ~multicast | Multicast routes
    ~neighbor-proxy | Neighbour proxy
  bfd | Bidirectional forwarding detection
    @peer: ip | Peer
      &bfd-common
      !multihop | Peer is not connected
      =profile | Profile
      source | Local end
        =interface: interface | Interface
        =address: ip | Address
      ~vrf | VRF
    @profile: re([-_a-zA-Z0-9]{1,32}) | Profile
      &bfd-common
  ~babel | Babel
  ~failover | Failover routes
  ~igmp-proxy | IGMP proxy
  ~isis | IS-IS
  ~mpls | MPLS
  ~nhrp | NHRP
  ~ospf | OSPF
  ~ospfv3 | OSPFv3
  ~pim | PIM
  ~pim6 | PIMv6
  ~rip | RIP
  ~ripng | RIPng
  ~rpki | RPKI
  ~segment-routing | Segment routing
"""
