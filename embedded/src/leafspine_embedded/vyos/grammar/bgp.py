"""protocols bgp."""

TEXT = r"""
block bgp-network-common
  =route-map: route-map | Route-map to apply
block bgp-redistribute-options
  =metric | Metric for redistributed routes
  =route-map: route-map | Route-map to apply
block bgp-maximum-paths
  maximum-paths | Forward packets over multiple paths
    =ebgp: num(1-256) | Paths learned from eBGP peers
    =ibgp: num(1-256) | Paths learned from iBGP peers
block bgp-distance
  =external: num(1-255) | Distance of eBGP routes
  =internal: num(1-255) | Distance of iBGP routes
  =local: num(1-255) | Distance of local routes
block bgp-leaking
  ~export | Export routes from this address family
  ~import | Import routes to this address family
  ~label | Label value for VRF
  ~rd | Route distinguisher
  ~route-map | Filter of leaked routes
  ~route-target | Route targets
  ~nexthop | Next hop of leaked routes
  ~sid | SID value for VRF
block bgp-neighbor-af
  capability | Capabilities of this address family
    orf | Outbound route filtering
      prefix-list | ORF of prefix-lists
        !receive | Receive the ORF
        !send | Send the ORF
  !addpath-tx-all | Advertise all paths
  !addpath-tx-per-as | Advertise the best path of each neighbouring AS
  conditionally-advertise | Advertise depending on other routes
    =advertise-map: route-map | Routes to advertise
    =exist-map: route-map | Only when these routes exist
    =non-exist-map: route-map | Only when these routes do not exist
  allowas-in | Accept routes with the own AS in the path
    =number: num(1-10) | Occurrences allowed
  !as-override | Replace the peer's AS in outbound updates
  attribute-unchanged | Attributes sent unchanged
    !as-path | AS path
    !med | Multi-exit discriminator
    !next-hop | Next hop
  disable-send-community | Do not send communities
    !extended | Extended communities
    !standard | Standard communities
  distribute-list | Filter by access list
    =export: num(1-65535) | Outgoing updates
    =import: num(1-65535) | Incoming updates
  filter-list | Filter by as-path-list
    =export | Outgoing updates
    =import | Incoming updates
  =maximum-prefix: num(1-4294967295) | Prefixes to accept from this peer
  =maximum-prefix-out: num(1-4294967295) | Prefixes to send to this peer
  nexthop-self | Use the own address as next hop
    !force | For reflected routes too
  remove-private-as | Remove private AS numbers
    !all | All of them
  route-map | Filter by route-map
    =export: route-map | Outgoing updates
    =import: route-map | Incoming updates
  !route-reflector-client | Peer is a route reflector client
  !route-server-client | Peer is a route server client
  soft-reconfiguration | Soft reconfiguration
    !inbound | Keep what the peer sent
  =unsuppress-map: route-map | Routes to unsuppress
  =weight: num(1-65535) | Default weight of routes from this peer
  default-originate | Send a default route
    =route-map: route-map | Depending on a route-map
block bgp-neighbor-afs
  address-family | Address family
    ipv4-unicast | IPv4 BGP neighbor parameters
      &bgp-neighbor-af
      prefix-list | Filter by prefix-list
        =export: prefix-list | Outgoing updates
        =import: prefix-list | Incoming updates
    ipv6-unicast | IPv6 BGP neighbor parameters
      &bgp-neighbor-af
      nexthop-local | Link-local next hop
        !unchanged | Leave it unchanged
      prefix-list | Filter by prefix-list
        =export: prefix-list6 | Outgoing updates
        =import: prefix-list6 | Incoming updates
    ~ipv4-labeled-unicast | IPv4 Labeled Unicast BGP neighbor parameters
    ~ipv4-flowspec | IPv4 Flow Specification BGP neighbor parameters
    ~ipv4-multicast | IPv4 Multicast BGP neighbor parameters
    ~ipv4-vpn | IPv4 VPN BGP neighbor parameters
    ~ipv6-labeled-unicast | IPv6 Labeled Unicast BGP neighbor parameters
    ~ipv6-flowspec | IPv6 Flow Specification BGP neighbor parameters
    ~ipv6-multicast | IPv6 Multicast BGP neighbor parameters
    ~ipv6-vpn | IPv6 VPN BGP neighbor parameters
    ~l2vpn-evpn | L2VPN EVPN BGP settings
block bgp-peer
  =description: description | Description
  bfd | Bidirectional forwarding detection
    =profile | BFD profile
    !check-control-plane-failure | Control plane independence
  capability | Capabilities
    !dynamic | Dynamic capability
    !extended-nexthop | Extended next hop
    ~software-version | Software version
  !disable-capability-negotiation | Disable capability negotiation with this neighbor
  !disable-connected-check | Allow peerings between eBGP peer using loopback/dummy address
  =ebgp-multihop: num(1-255) | Hops to an eBGP peer that is not connected
  =graceful-restart: one(enable|disable|restart-helper) | Graceful restart
  @local-as: asn | Other AS number for this peer
    no-prepend | Do not prepend it
      !replace-as | Use it instead of the own AS
  @local-role: one(provider|rs-server|rs-client|customer|peer) \
    % BGP local-role must be one of the following: customer, peer, provider, rs-client or rs-server | Role (RFC 9234)
    !strict | The peer must send its role
  !override-capability | Ignore capability negotiation
  ~path-attribute | Path attributes of incoming updates
  !passive | Do not open the session
  =password | MD5 password
  =remote-as: remote-as | AS number of the peer
  !shutdown | Administratively down
  ttl-security | TTL security
    =hops: num(1-254) | Hops to the peer
  =update-source: interface ip | Source of the session
  =port: tcp-port | TCP port
block bgp-interface-peer
  =peer-group | Peer group
  =remote-as: remote-as | AS number of the peer
protocols | Routing protocols
  bgp | Border Gateway Protocol (BGP)
    address-family | Address families
      ipv4-unicast | IPv4 routes
        @aggregate-address: ipv4-prefix | Aggregate
          !as-set | With an AS set
          =route-map: route-map | Route-map to apply
          !summary-only | Only the aggregate
        distance | Administrative distances
          &bgp-distance
          @prefix: ipv4-prefix | For a prefix
            =distance: num(1-255) | Distance
        &bgp-maximum-paths
        @network: ipv4-prefix | Network to announce
          !backdoor | Backdoor route
          =route-map: route-map | Route-map to apply
        redistribute | Routes of other protocols
          connected | Connected routes
            &bgp-redistribute-options
          isis | IS-IS routes
            &bgp-redistribute-options
          kernel | Kernel routes
            &bgp-redistribute-options
          ospf | OSPF routes
            &bgp-redistribute-options
          rip | RIP routes
            &bgp-redistribute-options
          babel | Babel routes
            &bgp-redistribute-options
          static | Static routes
            &bgp-redistribute-options
          =table | Kernel table
        &bgp-leaking
      ipv6-unicast | IPv6 routes
        @aggregate-address: ipv6-prefix | Aggregate
          !as-set | With an AS set
          =route-map: route-map | Route-map to apply
          !summary-only | Only the aggregate
        distance | Administrative distances
          &bgp-distance
          @prefix: ipv6-prefix | For a prefix
            =distance: num(1-255) | Distance
        &bgp-maximum-paths
        @network: ipv6-prefix | Network to announce
          =path-limit: num(0-255) | AS path limit
          =route-map: route-map | Route-map to apply
        redistribute | Routes of other protocols
          connected | Connected routes
            &bgp-redistribute-options
          kernel | Kernel routes
            &bgp-redistribute-options
          ospfv3 | OSPFv3 routes
            &bgp-redistribute-options
          ripng | RIPng routes
            &bgp-redistribute-options
          babel | Babel routes
            &bgp-redistribute-options
          static | Static routes
            &bgp-redistribute-options
          ~table | Kernel table
        &bgp-leaking
      ~ipv4-multicast | Multicast IPv4
      ~ipv4-labeled-unicast | Labelled IPv4
      ~ipv4-flowspec | Flowspec IPv4
      ~ipv4-vpn | VPN IPv4
      ~ipv6-multicast | Multicast IPv6
      ~ipv6-labeled-unicast | Labelled IPv6
      ~ipv6-flowspec | Flowspec IPv6
      ~ipv6-vpn | VPN IPv6
      ~l2vpn-evpn | EVPN
    ~bmp | BGP monitoring protocol
    ~interface | Interface parameters
    listen | Dynamic neighbours
      =limit: num(1-5000) | Most dynamic neighbours
      @range: ipv6-prefix ipv4-prefix | Range to listen for
        =peer-group | Peer group
    =system-as: asn | Autonomous System Number (ASN)
    @neighbor: interface ip | Neighbour
      &bgp-neighbor-afs
      &bgp-peer
      =advertisement-interval: num(0-600) | Least seconds between updates
      interface | Unnumbered peering
        &bgp-interface-peer
        =source-interface: interface | Interface of the session
        v6only | Only with IPv6 link-local addresses
          &bgp-interface-peer
      =peer-group | Peer group
      !solo | Do not send back what the peer sent
      !enforce-first-as | First AS of the path must be the peer's
      !strict-capability-match | Strict capability negotiation
      timers | Timers
        =connect: num(0-65535) | Connect retry seconds
        =holdtime: num(0-65535) | Hold time seconds
        =keepalive: num(1-65535) | Keepalive seconds
    parameters | BGP parameters
      !allow-martian-nexthop | Accept martian next hops
      !disable-ebgp-connected-route-check | No connected check of eBGP next hops
      !always-compare-med | Compare MED of different neighbours
      bestpath | Best path selection
        as-path | AS path
          !confed | Compare confederation segments
          !ignore | Ignore its length
          !multipath-relax | Multipath over paths of the same length
        =bandwidth: one(default-weight-for-missing|ignore|skip-missing) | Link bandwidth
        !compare-routerid | Compare router ids
        *med: one(confed|missing-as-worst) | Multi-exit discriminator
        peer-type | Peer type
          !multipath-relax | Multipath over different peer types
      =cluster-id: ipv4 | Cluster id of the route reflector
      confederation | AS confederation
        =identifier: asn | Identifier
        *peers: asn | Members
      conditional-advertisement | Conditional advertisement
        =timer: num(5-240) | Seconds between scans
      ~dampening | Route flap dampening
      default | Defaults
        =local-pref: num(0-4294967295) | Local preference
      !deterministic-med | Compare MED between peers of one AS
      distance | Administrative distances
        global | All routes
          &bgp-distance
        @prefix: ipv4-prefix | For a prefix
          =distance: num(1-255) | Distance
      !ebgp-requires-policy | eBGP peers need a policy (RFC 8212)
      !fast-convergence | Close sessions at once
      graceful-restart | Graceful restart
        =stalepath-time: num(1-3600) | Seconds to keep stale paths
      !graceful-shutdown | Graceful shutdown
      !no-hard-administrative-reset | No hard reset notification
      ~labeled-unicast | Labelled unicast
      !log-neighbor-changes | Log neighbour changes
      =minimum-holdtime: num(1-65535) | Least hold time
      !network-import-check | Networks must be in the routing table
      !route-reflector-allow-outbound-policy | Policy for reflected routes
      !no-client-to-client-reflection | No reflection between clients
      !no-fast-external-failover | Keep sessions when the link goes down
      !no-suppress-duplicates | Send duplicate updates
      !reject-as-sets | Reject routes with AS sets
      !shutdown | All sessions administratively down
      !suppress-fib-pending | Announce only installed routes
      =router-id: ipv4 | Router id
      ~tcp-keepalive | TCP keepalive
    @peer-group: re([-_a-zA-Z0-9]+) | Peer group
      &bgp-neighbor-afs
      &bgp-peer
    ~sid | SRv6 SID
    ~srv6 | SRv6
    timers | Timers of all neighbours
      =holdtime: num(0-65535) | Hold time seconds
      =keepalive: num(1-65535) | Keepalive seconds
"""
