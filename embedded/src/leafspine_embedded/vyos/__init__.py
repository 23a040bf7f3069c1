"""The configuration engine of an embedded VyOS 1.4 router."""
