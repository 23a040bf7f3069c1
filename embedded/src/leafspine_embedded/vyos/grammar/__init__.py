"""The path table, one module a section. The notation is described in `schema`."""

from __future__ import annotations

from leafspine_embedded.vyos.grammar import bgp, interfaces, nat, policy, routing, system, types

TEXTS = [types.TEXT, interfaces.TEXT, nat.TEXT, policy.TEXT, bgp.TEXT, routing.TEXT, system.TEXT]
