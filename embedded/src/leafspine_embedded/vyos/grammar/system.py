"""system and service: what takes effect, what is only kept, and what is refused.

Kept without an effect in a network namespace: name servers, domain, time zone, syslog,
connection tracking settings, `service ssh` loglevel, client-keepalive-interval and disable-host-validation.
"""

TEXT = r"""
type facility-a one(auth|authpriv|cron|daemon|kern|lpr|mail|mark|news|syslog|user|uucp|all)
type facility facility-a one(local0|local1|local2|local3|local4|local5|local6|local7) % Invalid facility type
type loglevel one(emerg|alert|crit|err|warning|notice|info|debug|all) % Invalid loglevel
type login re([-_a-zA-Z0-9.]{1,100})
type group re([a-z_][a-z0-9_-]{1,31}[$]?)
type ssh-key-type one(ssh-dss|ssh-rsa|ecdsa-sha2-nistp256|ecdsa-sha2-nistp384|ecdsa-sha2-nistp521|ssh-ed25519) \
  one(sk-ecdsa-sha2-nistp256@openssh.com|sk-ssh-ed25519@openssh.com)
type crypt re([*!]) \
  re([a-zA-Z0-9./]{13}) re([$]1[$][a-zA-Z0-9./]*[$][a-zA-Z0-9./]{22}) \
  re([$]5[$](rounds=[0-9]+[$])?[a-zA-Z0-9./]*[$][a-zA-Z0-9./]{43}) \
  re([$]6[$](rounds=[0-9]+[$])?[a-zA-Z0-9./]*[$][a-zA-Z0-9./]{86})
block facility
  @facility: facility | Facility
    =level: loglevel | Level
block ct-modules
  !ftp | FTP
  !h323 | H.323
  !nfs | NFS
  !pptp | PPTP
  !sip | SIP
  !sqlnet | SQLnet
  !tftp | TFTP
block ssh-who
  *user: re([-_a-zA-Z0-9.]{1,100}) % Illegal characters or more than 100 characters | Users
  *group: re([a-z_][a-z0-9_-]{1,31}[$]?) % Illegal characters or more than 32 characters | Groups
system | System parameters
  =host-name: re([A-Za-z0-9][-.A-Za-z0-9]*[A-Za-z0-9]) | Host name
  =domain-name: fqdn | Domain name
  *domain-search: fqdn % Invalid domain name (RFC 1123 section 2).\nMay only contain letters, numbers and period. | Search domains
  *name-server: interface ip | Name servers
  =time-zone: timezone | Time zone
  login | Users
    @user: login % Username contains illegal characters or\nexceeds 100 character limitation. | User
      authentication | How the user is authenticated
        =encrypted-password: crypt % Invalid encrypted password for $KEY. | Encrypted password
        =plaintext-password | Plain password, encrypted at commit
        @public-keys | SSH public key
          =key: base64 | Key
          =options | Options
          =type: ssh-key-type | Type
        ~otp | One-time passwords
      !disable | No login
      =full-name: re([^:]*) % Cannot use ':' in full name | Full name
      =home-directory: re(/|(/[a-zA-Z_0-9.-]+)+) | Home directory
    banner | Login banners
      =post-login | Text after the login
      =pre-login | Text before the login
    ~max-login-session | Sessions
    ~radius | RADIUS
    ~tacacs | TACACS+
    =timeout: num(5-604800) % Timeout must be between 5 and 604800 seconds | Seconds without a key until a login ends
  ip | IPv4 settings
    arp | ARP cache
      =table-size: one(1024|2048|4096|8192|16384|32768) | Entries
    !disable-forwarding | Do not forward
    multipath | ECMP
      !ignore-unreachable-nexthops | Skip next hops without a neighbour entry
      !layer4-hashing | Hash ports too
    nht | Next hop tracking
      !no-resolve-via-default | Not by the default route
    @protocol: one(any|babel|bgp|connected|eigrp|isis|kernel|ospf|rip|static|table) | Filter towards the kernel
      =route-map: route-map | Route-map
    tcp | TCP
      mss | MSS probing
        =probing: one(on-icmp-black-hole|force) % Must be on-icmp-black-hole or force | Mode
        =base: num(48-1460) | First MSS
        =floor: num(48-1460) | Least MSS
  ipv6 | IPv6 settings
    !disable-forwarding | Do not forward
    multipath | ECMP
      !layer4-hashing | Hash ports too
    neighbor | Neighbour cache
      =table-size: one(1024|2048|4096|8192|16384|32768) | Entries
    nht | Next hop tracking
      !no-resolve-via-default | Not by the default route
    @protocol: one(any|babel|bgp|connected|isis|kernel|ospfv3|ripng|static|table) | Filter towards the kernel
      =route-map: route-map | Route-map
    ~disable | Disable IPv6
    ~strict-dad | Duplicate addresses
  sysctl | Kernel parameters
    @parameter: sysctl | Name
      =value | Value
  syslog | Logging
    global | This system
      &facility
      marker | Marks
        =interval: num(1-4294967295) | Seconds
      !preserve-fqdn | Full names
    @host: fqdn ip % Invalid host (FQDN or IP address) | Remote host
      &facility
      format | Format
        !octet-counted | Octet counting
        !include-timezone | Time zone
      =port: tcp-port | Port
      =protocol: one(udp|tcp) | Protocol
    @file: re([a-zA-Z0-9\-_.]{1,255}) % illegal characters in filename or filename longer than 255 characters | File
      archive | Rotation
        =file: re([0-9]+) % illegal characters in number of files | Files
        =size: re([0-9]+) % illegal characters in size | Kilobytes
      &facility
    console | Console
      &facility
    @user: login % illegal characters in user | Terminal of a user
      &facility
    ~vrf | VRF
  config-management | Configuration management
    =commit-revisions: num(1-65535) % Number of revisions must be between 0 and 65535 | Revisions to keep
    ~commit-archive | Archive
  conntrack | Connection tracking
    modules | Helpers
      &ct-modules
    =table-size: num(1-50000000) | Entries
    =hash-size: num(1-50000000) | Hash size
    =expect-table-size: num(1-50000000) | Expectations
    tcp | TCP
      =half-open-connections: num(1-2147483647) | Half open connections
      =loose: one(enable|disable) | Pick up connections
      =max-retrans: num(1-255) | Retransmissions
    timeout | Seconds
      =icmp: num(1-21474836) | ICMP
      =other: num(1-21474836) | Others
      tcp | TCP
        =close: num(1-21474836) | CLOSE
        =close-wait: num(1-21474836) | CLOSE-WAIT
        =established: num(1-21474836) | ESTABLISHED
        =fin-wait: num(1-21474836) | FIN-WAIT
        =last-ack: num(1-21474836) | LAST-ACK
        =syn-recv: num(1-21474836) | SYN-RECEIVED
        =syn-sent: num(1-21474836) | SYN-SENT
        =time-wait: num(1-21474836) | TIME-WAIT
      udp | UDP
        =other: num(1-21474836) | Others
        =stream: num(1-21474836) | Streams
      ~custom | By rule
    ~flow-accounting | Flow accounting
    ~ignore | Untracked traffic
    ~log | Log events
  console | Serial console
    @device: re((ttyS|ttyAMA|ttyUSB|hvc|xvc|usb)[-0-9A-Za-z.:]+) | Device
      =speed: one(1200|2400|4800|9600|19200|38400|57600|115200) | Speed
      ~kernel | Kernel messages
    ~powersave | Screen blanking
  ~acceleration | Acceleration
  ~flow-accounting | Flow accounting
  ~frr | FRR options
  ~lcd | LCD
  ~logs | Log rotation
  ~option | Options
  ~proxy | Proxy
  ~sflow | sFlow
  ~static-host-mapping | Host names
  ~task-scheduler | Scheduled tasks
  ~update-check | Update check
service | System services
  ssh | Secure Shell (SSH)
    *port: num(1-65535) | Ports
    *listen-address: ip | Addresses to listen on
    !disable-host-validation | No reverse lookup
    !disable-password-authentication | Public keys only
    =client-keepalive-interval: num(1-65535) | Keepalive seconds
    =loglevel: one(quiet|fatal|error|info|verbose) | Log level
    access-control | Users and groups
      allow | Only these may log in
        &ssh-who
      deny | These may not log in
        &ssh-who
    *ciphers: one(3des-cbc|aes128-cbc|aes192-cbc|aes256-cbc|aes128-ctr|aes192-ctr|aes256-ctr) \
      one(aes128-gcm@openssh.com|aes256-gcm@openssh.com|chacha20-poly1305@openssh.com) refuse(rijndael-cbc@lysator.liu.se) | Ciphers
    ~dynamic-protection | Guard against guessing
    *hostkey-algorithm: one(ssh-ed25519) \
      refuse(ssh-rsa|rsa-sha2-256|rsa-sha2-512|ssh-dss|ecdsa-sha2-nistp256|ecdsa-sha2-nistp384|ecdsa-sha2-nistp521) | Host key algorithms
    *key-exchange: one(curve25519-sha256|curve25519-sha256@libssh.org|ecdh-sha2-nistp256|ecdh-sha2-nistp384|ecdh-sha2-nistp521) \
      one(diffie-hellman-group1-sha1|diffie-hellman-group14-sha1|diffie-hellman-group14-sha256|diffie-hellman-group16-sha512) \
      one(diffie-hellman-group18-sha512|diffie-hellman-group-exchange-sha1|diffie-hellman-group-exchange-sha256) \
      refuse(sntrup761x25519-sha512@openssh.com) | Key exchange
    *mac: one(hmac-sha1|hmac-sha1-96|hmac-sha2-256|hmac-sha2-512|hmac-md5|hmac-md5-96|umac-64@openssh.com|umac-128@openssh.com) \
      one(hmac-sha1-etm@openssh.com|hmac-sha1-96-etm@openssh.com|hmac-sha2-256-etm@openssh.com|hmac-sha2-512-etm@openssh.com) \
      one(hmac-md5-etm@openssh.com|hmac-md5-96-etm@openssh.com|umac-64-etm@openssh.com|umac-128-etm@openssh.com) | MAC algorithms
    ~pubkey-accepted-algorithm | Public key algorithms
    rekey | New keys after
      =data: num(1-65535) | Megabytes
      =time: num(1-65535) | Minutes
    ~vrf | VRF
  ntp | Network time
    @server: fqdn ip | Server
      !noselect | Do not use
      !nts | Network time security
      !pool | Pool
      !prefer | Prefer
    allow-client | Clients
      *address: ip ipv4-prefix ipv6-prefix | Addresses
    *listen-address: ip | Addresses to listen on
    *interface | Interfaces
    ~leap-second | Leap seconds
    ~vrf | VRF
  ~broadcast-relay | Broadcast relay
  ~config-sync | Configuration synchronisation
  ~conntrack-sync | Connection tracking synchronisation
  ~console-server | Console server
  ~dhcp-relay | DHCP relay
  ~dhcp-server | DHCP server
  ~dhcpv6-relay | DHCPv6 relay
  ~dhcpv6-server | DHCPv6 server
  ~dns | DNS
  ~event-handler | Event handler
  ~https | HTTPS API
  ~ids | Intrusion detection
  ~ipoe-server | IPoE server
  ~lldp | Link layer discovery
  ~mdns | mDNS
  ~monitoring | Monitoring
  ~ndp-proxy | NDP proxy
  ~pppoe-server | PPPoE server
  ~router-advert | Router advertisements
  ~salt-minion | Salt minion
  ~sla | SLA
  ~snmp | SNMP
  ~tftp-server | TFTP server
  ~webproxy | Web proxy
~container | Containers
~firewall | Firewall
~high-availability | High availability
~load-balancing | Load balancing
~pki | Certificates
~qos | Quality of service
~vpn | VPN
~vrf | VRF instances
"""
