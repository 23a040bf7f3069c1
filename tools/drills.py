"""What `./lab drill --list` prints: the drills of playbooks/drills/scenarios.yml with their titles."""

from __future__ import annotations

from pathlib import Path

import yaml

SCENARIOS = Path(__file__).resolve().parent.parent / "playbooks" / "drills" / "scenarios.yml"


def titles() -> dict[str, str]:
    """Title of every drill by its name, in the order in which they run."""
    return {name: scenario["title"] for name, scenario in yaml.safe_load(SCENARIOS.read_text(encoding="utf-8"))["drill_scenarios"].items()}


if __name__ == "__main__":
    for name, title in titles().items():
        print(f"{name:<20} {title}")
