"""The kubelets: pods of every node as processes in network namespaces of their own."""
