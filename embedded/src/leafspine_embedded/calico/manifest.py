"""The engine's own Calico manifest, as package data."""

from __future__ import annotations

from pathlib import Path

PATH = Path(__file__).with_name("calico.yaml")


def text() -> str:
    """The whole manifest: YAML documents for `kubectl apply -f`."""
    return PATH.read_text()
