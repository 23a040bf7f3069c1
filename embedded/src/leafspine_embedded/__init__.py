"""The embedded engine: kind, containerlab, calicoctl and routers on plain network namespaces.

Nothing is imported here: each drop-in loads only the pieces it needs, because start-up time is most of what a short command costs.
"""
