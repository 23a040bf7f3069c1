"""kube-proxy: Services and EndpointSlices become one nftables table in each node's namespace."""
