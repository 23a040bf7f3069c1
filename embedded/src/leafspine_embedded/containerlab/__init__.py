"""The containerlab drop-in: routers, links and a management bridge from a topology file, on plain network namespaces."""
