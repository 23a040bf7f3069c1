"""policy: filters and route-maps."""

TEXT = r"""
type action one(permit|deny)
block list-rule
  =action: action | What to do with a match
  =description: description | Description
block acl-source
  !any | Any address
  =host: ipv4 | Host
  =inverse-mask: ipv4 | Inverse mask of the network
  =network: ipv4 | Network
policy | Routing policy
  @access-list: re((1?[0-9]{1,2})|(13|14|15|16|17|18|19|20|21|22|23|24|25|26)[0-9]{2}|[0-9]{1,6}) | Access list
    =description: description | Description
    @rule: num(1-65535) | Rule
      &list-rule
      destination | Destination
        &acl-source
      source | Source
        &acl-source
  @access-list6 | IPv6 access list
    =description: description | Description
    @rule: num(1-65535) | Rule
      &list-rule
      source | Source
        !any | Any address
        !exact-match | The prefix itself
        =network: ipv6-prefix | Network
  @as-path-list | AS path list
    =description: description | Description
    @rule: num(1-65535) | Rule
      &list-rule
      =regex | Regular expression
  @community-list | Community list
    =description: description | Description
    @rule: num(1-65535) | Rule
      &list-rule
      =regex | Regular expression
  @extcommunity-list: re([-_a-zA-Z0-9]+) % Should be an alphanumeric name | Extended community list
    =description: description | Description
    @rule: num(1-65535) | Rule
      &list-rule
      =regex | Regular expression
  @large-community-list: re([-_a-zA-Z0-9]+) % Should be an alphanumeric name | Large community list
    =description: description | Description
    @rule: num(1-65535) | Rule
      &list-rule
      =regex: large-community-list % Malformed large-community-list | Regular expression
  ~local-route | Local routing policy
  ~local-route6 | IPv6 local routing policy
  @prefix-list: prefix-list | Prefix list
    =description: description | Description
    @rule: num(1-65535) | Rule
      &list-rule
      =ge: num(0-32) | Shortest length
      =le: num(0-32) | Longest length
      =prefix: ipv4-prefix | Prefix
  @prefix-list6: prefix-list6 | IPv6 prefix list
    =description: description | Description
    @rule: num(1-65535) | Rule
      &list-rule
      =ge: num(0-128) | Shortest length
      =le: num(0-128) | Longest length
      =prefix: ipv6-prefix | Prefix
  ~route | Policy routing
  ~route6 | IPv6 policy routing
  @route-map: route-map | Route-map
    =description: description | Description
    @rule: num(1-65535) | Rule
      &list-rule
      =call | Route-map to call
      =continue | Rule to go on with
      match | What to match
        =as-path | AS path list
        community | Communities
          =community-list | List
          !exact-match | Exactly these
        ~evpn | EVPN
        =extcommunity | Extended community list
        =interface: path ifname | Next hop interface
        ip | IPv4
          address | Prefix of the route
            =access-list | Access list
            =prefix-list | Prefix list
            =prefix-len: num(0-32) | Length
          nexthop | Next hop
            =address: ipv4 | Address
            =access-list | Access list
            =prefix-len: num(0-32) | Length
            =prefix-list | Prefix list
            =type: one(blackhole) | Type
          route-source | Source of the route
            =access-list | Access list
            =prefix-list | Prefix list
        ipv6 | IPv6
          address | Prefix of the route
            =access-list | Access list
            =prefix-list | Prefix list
            =prefix-len: num(0-128) | Length
          nexthop | Next hop
            =address: ipv6 | Address
            =access-list | Access list
            =prefix-list | Prefix list
            =type: one(blackhole) | Type
        large-community | Large communities
          =large-community-list | List
        =local-preference: num(0-4294967295) | Local preference
        =metric: num(1-65535) | Metric
        =origin: one(egp|igp|incomplete) | Origin
        =peer: ip | Peer
        =protocol: one(babel|bgp|connected|isis|kernel|ospf|ospfv3|rip|ripng|static|table|vnc) | Source protocol
        ~rpki | RPKI
        =tag: num(1-65535) | Tag
      on-match | Where to go on after a match
        =goto: num(1-65535) | Rule
        !next | Next rule
      set | Attributes to set
        aggregator | Aggregator
          =as: asn | AS number
          =ip: ipv4 | Address
        as-path | AS path
          =exclude: refuse(all) as-list | AS numbers to remove
          =prepend: as-list | AS numbers to prepend
          =prepend-last-as: num(1-10) | How often the last AS is prepended
        !atomic-aggregate | Atomic aggregate
        community | Communities
          *add: community | Add
          *replace: community | Replace
          !none | Remove all
          =delete | Remove those of a list
        large-community | Large communities
          *add: large-community | Add
          *replace: large-community | Replace
          !none | Remove all
          =delete | Remove those of a list
        extcommunity | Extended communities
          =bandwidth: num(1-25600) one(cumulative|num-multipaths) | Link bandwidth
          !bandwidth-non-transitive | Bandwidth stays within the AS
          *rt: extcommunity % Should be in form: ASN:NN or IPADDR:NN where ASN is autonomous system number | Route target
          *soo: extcommunity % Should be in form: ASN:NN or IPADDR:NN where ASN is autonomous system number | Site of origin
          !none | Remove all
        =distance: num(0-255) | Distance
        ~evpn | EVPN
        =ip-next-hop: ipv4 one(unchanged|peer-address) | Nexthop IP address
        ipv6-next-hop | Nexthop IPv6 address
          =global: ipv6 | Global address
          =local: ipv6 | Link-local address
          !peer-address | Address of the peer
          !prefer-global | Prefer the global address
        ~l3vpn-nexthop | L3VPN
        =local-preference: num(0-4294967295) | Local preference
        =metric: re([+|-]?rtt) num(0-4294967295) relative | Metric
        ~metric-type | Metric type of OSPF
        =origin: one(igp|egp|incomplete) | Origin
        =originator-id: ipv4 | Originator id
        =src: ip | Source address
        =table: num(1-200) | Table
        =tag: num(1-65535) | Tag
        =weight: num(0-4294967295) | Weight
"""
