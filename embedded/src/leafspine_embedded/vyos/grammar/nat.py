"""nat: source and destination rules of IPv4."""

TEXT = r"""
type nat-side not-ipv4 ipv4-range ipv4-prefix ipv4
type nat-target ipv4-range ipv4 ipv4-prefix
type nat-interface not-ifname ifname vrf
block nat-side
  =address: nat-side | Address, prefix or range
  =port: port-multi | Ports
  ~group | Group
block nat-rule
  =description: description | Description
  destination | Destination of the packet
    &nat-side
  !disable | Do not use this rule
  !exclude | Do not translate what matches
  ~load-balance | Load balance
  !log | Log what matches
  ~packet-type | Packet type
  =protocol: protocol | Protocol
  source | Source of the packet
    &nat-side
block nat-options
  options | Translation options
    =address-mapping: one(persistent|random) | Address mapping
    =port-mapping: one(random|none) | Port mapping
nat | Network Address Translation
  source | Source NAT
    @rule: num(1-999999) % NAT rule number must be between 1 and 999999 | Rule number
      &nat-rule
      outbound-interface | Interface the packet leaves by
        =name: nat-interface | Name
        ~group | Group
      translation | New source
        =address: one(masquerade) nat-target | Address, prefix or range
        &nat-options
        =port: port-range | Ports
  destination | Destination NAT
    @rule: num(1-999999) % NAT rule number must be between 1 and 999999 | Rule number
      &nat-rule
      inbound-interface | Interface the packet enters by
        =name: nat-interface | Name
        ~group | Group
      translation | New destination
        =address: nat-target | Address, prefix or range
        &nat-options
        =port: port-range | Ports
        redirect | To this router
          =port: port-range | Ports
  ~static | One to one
~nat66 | IPv6 NAT
~nat64 | NAT64
"""
