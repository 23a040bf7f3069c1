"""interfaces: what a network namespace can have."""

TEXT = r"""
type source-validation one(strict|loose|disable)
type mtu num(68-16000) % MTU must be between 68 and 16000
interfaces | Network interfaces
  @ethernet: re((eth|lan)[0-9]+|(eno|ens|enp|enx).+) % Invalid Ethernet interface name | Ethernet interface
    *address: refuse(dhcp|dhcpv6) ip-host | IP address
    =description: description | Description
    !disable | Administratively down
    !disable-flow-control | No pause frames
    !disable-link-detect | Ignore link state changes
    =duplex: one(auto|half|full) % duplex must be auto, half or full | Duplex mode
    =hw-id: mac | Hardware address the name belongs to
    ip | IPv4 parameters
      ~adjust-mss | TCP MSS
      =arp-cache-timeout: num(1-86400) % ARP cache entry timeout must be between 1 and 86400 seconds | ARP cache seconds
      !disable-arp-filter | No ARP filter
      !disable-forwarding | No forwarding
      !enable-arp-accept | Learn from gratuitous ARP
      !enable-arp-announce | Restrict announced source addresses
      !enable-arp-ignore | Answer only for own addresses
      !enable-directed-broadcast | Forward directed broadcasts
      !enable-proxy-arp | Proxy ARP
      !proxy-arp-pvlan | Proxy ARP within the interface
      =source-validation: source-validation | Reverse path check (RFC 3704)
    ipv6 | IPv6 parameters
      address | IPv6 addresses
        ~autoconf | Stateless address configuration
        ~eui64 | Address from the hardware address
        ~no-default-link-local | No link-local address
      ~adjust-mss | TCP MSS
      ~base-reachable-time | Reachable time
      !disable-forwarding | No forwarding
      =accept-dad: one(0|1|2) | Duplicate address detection
      =dup-addr-detect-transmits: num(0-4294967295) | Probes of duplicate address detection
      ~source-validation | Reverse path check
    =mac: mac | Hardware address
    =mtu: mtu | Maximum transmission unit
    =speed: one(auto|10|100|1000|2500|5000|10000|25000|40000|50000|100000) \
      % Speed must be auto, 10, 100, 1000, 2500, 5000, 10000, 25000, 40000, 50000 or 100000 | Link speed
    ~dhcp-options | DHCP client
    ~dhcpv6-options | DHCPv6 client
    ~eapol | Port authentication
    ~evpn | EVPN multihoming
    ~mirror | Mirrored packets
    ~offload | Offload options
    ~redirect | Redirected packets
    ~ring-buffer | Ring buffers
    ~vif | VLAN
    ~vif-s | QinQ VLAN
    ~vrf | VRF instance
  @dummy: re(dum[0-9]+) % Dummy interface must be named dumN | Dummy interface
    *address: ip-host | IP address
    =description: description | Description
    !disable | Administratively down
    ip | IPv4 parameters
      !disable-forwarding | No forwarding
      =source-validation: source-validation | Reverse path check (RFC 3704)
    ipv6 | IPv6 parameters
      !disable-forwarding | No forwarding
      ~address | IPv6 addresses
    =mtu: mtu | Maximum transmission unit
    ~mirror | Mirrored packets
    ~redirect | Redirected packets
    ~vrf | VRF instance
  @loopback: re(lo) % Loopback interface must be named lo | Loopback interface
    *address: ip-host | IP address
    =description: description | Description
    ip | IPv4 parameters
      =source-validation: source-validation | Reverse path check (RFC 3704)
    ~mirror | Mirrored packets
    ~redirect | Redirected packets
  ~bonding | Bond
  ~bridge | Bridge
  ~geneve | GENEVE tunnel
  ~input | Input interface
  ~l2tpv3 | L2TPv3 tunnel
  ~macsec | MACsec
  ~openvpn | OpenVPN
  ~pppoe | PPPoE
  ~pseudo-ethernet | MAC VLAN
  ~sstpc | SSTP client
  ~tunnel | Tunnel
  ~virtual-ethernet | Virtual Ethernet pair
  ~vti | Virtual tunnel interface
  ~vxlan | VXLAN
  ~wireguard | WireGuard
  ~wireless | Wireless
  ~wwan | Cellular modem
"""
