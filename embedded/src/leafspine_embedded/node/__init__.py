"""What runs on and for the cluster's nodes: controllers, kubelets, service proxies; asyncio tasks of the cluster's one process."""
