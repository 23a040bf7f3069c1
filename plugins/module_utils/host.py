"""What a lab host must be: pure checks over what was read there."""

from __future__ import annotations

import ipaddress
from typing import Any


def parse_os_release(text: str) -> dict[str, str]:
    """``/etc/os-release`` as a mapping (freedesktop.org, os-release(5))."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def system_problem(os_release: dict[str, str], supported: dict[str, str]) -> str | None:
    """Why this system is not supported, or None. ``supported`` maps an os-release ID to its lowest version."""
    identity, version = os_release.get("ID", "unknown"), os_release.get("VERSION_ID", "")
    lowest = supported.get(identity)
    allowed = ", ".join(f"{name} {number} or later" for name, number in supported.items())
    if lowest is None:
        return f"system: {identity} {version} is not supported; allowed: {allowed}"
    # Debian testing has no VERSION_ID; it is later than any release.
    if version and _version(version) < _version(str(lowest)):
        return f"system: {identity} {version} is too old; allowed: {allowed}"
    return None


def subnet_problems(subnets: list[dict[str, Any]], routes: list[dict[str, Any]]) -> list[str]:
    """Subnets that the host already reaches in another way.

    ``subnets``: ``{subnet, purpose, link}``; ``routes``: entries of ``ip -j -4 route``. A route on the subnet's own link is the lab itself.
    """
    problems = []
    for entry in subnets:
        wanted = ipaddress.ip_network(entry["subnet"])
        for route in routes:
            if route.get("dst") in (None, "default") or (entry.get("link") and route.get("dev") == entry["link"]):
                continue
            try:
                used = ipaddress.ip_network(route["dst"])
            except ValueError:
                continue
            if used.version == wanted.version and used.overlaps(wanted):
                problems.append(
                    f"{entry['purpose']}: {wanted} overlaps {used}, which this host reaches by {route.get('dev', '?')}; choose another subnet in fabric.yml"
                )
    return problems


def limit_gaps(wanted: dict[str, int], found: dict[str, int | None]) -> dict[str, int]:
    """Kernel limits that are lower than wanted (or cannot be read)."""
    return {name: int(value) for name, value in wanted.items() if (found.get(name) or 0) < int(value)}
