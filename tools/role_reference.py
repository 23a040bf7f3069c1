"""Write the tables of docs/roles.md from the roles' argument specs.

`tools/role_reference.py` compares, `--write` writes. A unit test keeps the page current.
"""

from __future__ import annotations

import sys
from typing import Any

import yaml
from generated_block import ROOT, main, table

PAGE = ROOT / "docs" / "roles.md"
PURPOSE = "Tables of docs/roles.md from the roles' argument specs."


def specs(role: str) -> dict[str, Any]:
    """Entry points of a role with their options."""
    text = (ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)["argument_specs"]
    return found


def default(option: dict[str, Any]) -> str:
    if "default" not in option:
        return "required" if option.get("required") else ""
    value = option["default"]
    if isinstance(value, list):
        return ", ".join(f"`{one}`" for one in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"`{key}: {one}`" for key, one in value.items()) or "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if value != "" else "empty"


def text(description: str | list[str]) -> str:
    return description if isinstance(description, str) else " ".join(description)


def render(role: str) -> str:
    """A role's entry points and the variables of all of them."""
    found = specs(role)
    points = table(["entry point", "does"], [[f"`{name}`", f"{spec['short_description']}."] for name, spec in found.items()])
    options: dict[str, Any] = {}
    for spec in found.values():
        for name, option in spec.get("options", {}).items():
            options.setdefault(name, option)
    lines = [[f"`{name}`", option.get("type", "str"), default(option), text(option["description"])] for name, option in options.items()]
    return f"{points}\n\n{table(['variable', 'type', 'default', 'meaning'], lines)}" if lines else points


if __name__ == "__main__":
    sys.exit(main(PAGE, render, PURPOSE))
