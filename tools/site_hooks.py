"""Hooks of mkdocs.yml: the navigation is docs/README.md, and links out of docs/ lead to the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

INDEX = Path(__file__).resolve().parents[1] / "docs" / "README.md"


def navigation(index: str) -> list[dict[str, list[Any]]]:
    """A section for each second-level heading of the index that has pages below it; a page's title is its link's text."""
    sections: list[dict[str, list[Any]]] = []
    for part in re.split(r"^## +", index, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        pages = [{title: target} for title, target in re.findall(r"^\| \[([^\]]+)\]\(([\w-]+\.md)\)", body, re.MULTILINE)]
        if pages:
            sections.append({heading.strip(): pages})
    if not sections:
        raise ValueError("docs/README.md: no section with a table of pages")
    sections[0][next(iter(sections[0]))].insert(0, "README.md")
    return sections


def outward(markdown: str, repository: str) -> str:
    """Links to files beside docs/ are files of the repository, which the site does not have."""
    return re.sub(r"\]\(\.\./([^)\s]+)\)", rf"]({repository}/blob/main/\1)", markdown)


def on_config(config: Any) -> Any:
    config["nav"] = navigation(INDEX.read_text(encoding="utf-8"))
    return config


def on_page_markdown(markdown: str, /, *, config: Any, **_rest: Any) -> str:
    return outward(markdown, config["repo_url"].rstrip("/"))
