"""What the drop-ins share: network namespaces, detached processes, state on disk."""
