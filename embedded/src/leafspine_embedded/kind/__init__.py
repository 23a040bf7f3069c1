"""Drop-in for kind: a cluster whose nodes are network namespaces and whose API server is `leafspine_embedded.kube`."""
