"""Named value types and blocks that several sections use."""

TEXT = r"""
type route-map re([-_a-zA-Z0-9][\w\-\.\+]*) % Name of route-map can only contain alpha-numeric letters, hyphen and underscores
type prefix-list re([-_a-zA-Z0-9]+) % Name of prefix-list can only contain alpha-numeric letters, hyphen and underscores
type prefix-list6 re([-_a-zA-Z0-9]+) % Name of prefix-list6 can only contain alpha-numeric letters, hyphen and underscores
type description re(.{0,255}) % Description too long (limit 255 characters)
type interface ifname path
type tcp-port num(1-65535) % Port number must be in range 1 to 65535
type asn num(1-4294967294)
type remote-as num(1-4294967294) one(external|internal) % Invalid AS number
type mac re([0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5})
type fqdn re(([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?\.)*[A-Za-z0-9][-A-Za-z0-9]*\.?)
"""
