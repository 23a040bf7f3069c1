"""README and docs: links lead somewhere, commands and names exist, reference pages are what their sources say. Each check has a text that fails it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import dropins_reference
import generated_block
import inventory_reference
import role_reference

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if (path / "meta" / "argument_specs.yml").exists())
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
# What is no part of the project: folders of whoever wrote a page, and hosts other than the project's own.
FOREIGN = re.compile(r"(?<![\w.])/(?:work|root|tmp|mnt|Users)/\S*|https?://(?!github\.com/leafspine/|docs\.ansible\.com/|\.\.\.|10\.|\$)[\w.-]+")
FOREIGN_MARKS = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf\ufe0f]")


def prose(text: str) -> str:
    """The page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    """Anchors of a page's headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#{1,6} +(.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page: Path, text: str) -> Iterator[str]:
    for target in LINK.findall(prose(text)):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if file != page and not file.exists():
            yield f"{target}: no such file"
        elif anchor and anchor not in anchors(text if file == page else file.read_text(encoding="utf-8")):
            yield f"{target}: no such heading"


def lab_commands() -> set[str]:
    """Words that the case statement of ./lab knows."""
    text = (ROOT / "lab").read_text(encoding="utf-8")
    body = text[text.index('case "$command" in') :]
    return {word.strip() for line in re.findall(r"^    ([a-z][a-z |-]*)\)", body, re.MULTILINE) for word in line.split("|")}


def unknown_commands(text: str) -> Iterator[str]:
    yield from sorted(set(re.findall(r"(?<![\w/])\./lab +([a-z]+)", text)) - lab_commands())


def unknown_playbooks(text: str) -> Iterator[str]:
    yield from sorted(name for name in set(re.findall(r"playbooks/(\w+)\.yml", text)) if not (ROOT / "playbooks" / f"{name}.yml").exists())


def unknown_tags(text: str) -> Iterator[str]:
    """Tags of the options --tags that are no role and no tag of verify.yml; NAME stands for any."""
    verify = (ROOT / "playbooks" / "verify.yml").read_text(encoding="utf-8")
    parts = {tag for tags in re.findall(r"tags: \[([\w, ]+)\]", verify) for tag in tags.split(", ")}
    used = {tag for tags in re.findall(r"--tags[ =]([\w,]+)", text) for tag in tags.split(",")}
    yield from sorted(used - {*ROLES, *parts, "NAME"})


def unknown_variables(text: str) -> Iterator[str]:
    """Names in backquotes that begin like a role's variable and are none."""
    known = {name for role in ROLES for spec in role_reference.specs(role).values() for name in spec.get("options", {})}
    for name in sorted(set(re.findall(r"`([a-z_]+)`", text))):
        if name not in {*known, *ROLES} and any(name.startswith(f"{role}_") for role in ROLES):
            yield name


@pytest.fixture(params=PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def page(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_links_lead_somewhere(page: Path) -> None:
    assert list(dead_links(page, page.read_text(encoding="utf-8"))) == []


def test_dead_links_are_found() -> None:
    text = "# A page\n[a](nowhere.md) [b](#a-page) [c](#elsewhere) [d](README.md#nothing) [e](https://example.com)\n"
    problems = ["nowhere.md: no such file", "#elsewhere: no such heading", "README.md#nothing: no such heading"]
    assert list(dead_links(ROOT / "page.md", text)) == problems


def test_commands_playbooks_tags_and_variables_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = [*unknown_commands(text), *unknown_playbooks(text), *unknown_tags(text), *unknown_variables(text)]
    assert found == []


def test_unknown_names_are_found() -> None:
    assert {"up", "down", "test", "status", "shell", "kubectl", "calicoctl"} <= lab_commands()
    assert list(unknown_commands("run ./lab up, then ./lab fly")) == ["fly"]
    assert list(unknown_playbooks("playbooks/site.yml playbooks/nothing.yml")) == ["nothing"]
    assert list(unknown_tags("--tags vyos_fabric,demo_app --tags=frr --tags NAME")) == ["frr"]
    assert list(unknown_variables("`demo_app_name` `demo_app_colour` `demo_app`")) == ["demo_app_colour"]


def test_nothing_of_the_place_where_it_was_written(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [*FOREIGN.findall(text), *FOREIGN_MARKS.findall(text)] == []


def test_places_are_found() -> None:
    text = "/root/x, /tmp/y, https://registry.example/z \U0001f680; fine: /run/leafspine, http://10.1.2.3/, https://github.com/leafspine/calico"
    assert FOREIGN.findall(text) == ["/root/x,", "/tmp/y,", "https://registry.example"]
    assert FOREIGN_MARKS.findall(text) == ["\U0001f680"]


def test_code_blocks_are_closed(page: Path) -> None:
    assert len(re.findall(r"^```", page.read_text(encoding="utf-8"), re.MULTILINE)) % 2 == 0


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in PAGES if path.parent.name == "docs"} - set(LINK.findall(index)) == {"README.md"}


def test_readme_names_every_role_and_module() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    modules = [path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if path.stem != "__init__"]
    assert [role for role in ROLES if f"(docs/roles.md#{role})" not in text] == []
    assert [module for module in modules if f"`leafspine.calico.{module}`" not in text] == []


@pytest.mark.parametrize("generator", [inventory_reference, role_reference, dropins_reference], ids=lambda generator: str(generator.__name__))
def test_reference_pages_are_current(generator: object) -> None:
    text = generator.PAGE.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    assert generated_block.filled(text, generator.render) == text, f"run: .venv/bin/python tools/{generator.__name__}.py --write"  # type: ignore[attr-defined]


def test_a_stale_reference_page_is_found() -> None:
    text = inventory_reference.PAGE.read_text(encoding="utf-8")
    stale = text.replace("| `lab_name` |", "| `lab_nome` |")
    assert stale != text
    assert generated_block.filled(stale, inventory_reference.render) == text


def test_every_key_and_every_role_is_in_its_reference() -> None:
    inventory = inventory_reference.PAGE.read_text(encoding="utf-8")
    assert [path for path, _schema, _required in inventory_reference.rows(inventory_reference.SCHEMA) if f"| `{path}` |" not in inventory] == []
    assert sorted(generated_block.blocks(role_reference.PAGE.read_text(encoding="utf-8"))) == ROLES
    assert set(generated_block.blocks(dropins_reference.PAGE.read_text(encoding="utf-8"))) == set(dropins_reference.RENDERERS)


def test_generated_parts_need_a_name_that_exists_and_an_end() -> None:
    with pytest.raises(ValueError, match="nothing below nosuch"):
        generated_block.filled("<!-- generated: nosuch -->\n<!-- end: nosuch -->\n", inventory_reference.render)
    with pytest.raises(ValueError, match="needs its end"):
        generated_block.blocks("<!-- generated: fabric -->\n")


def test_table_cells_are_escaped() -> None:
    assert generated_block.cell("a|b <x> `<y>`\nc") == "a\\|b &lt;x> `<y>` c"


def test_requirements_of_other_installers_agree() -> None:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["dependencies"]
    collections = yaml.safe_load((ROOT / "collections" / "requirements.yml").read_text(encoding="utf-8"))["collections"]
    assert {entry["name"]: entry["version"] for entry in collections} == galaxy

    lines = [line for name in ("controller", "report") for line in (ROOT / "requirements" / f"{name}.in").read_text(encoding="utf-8").splitlines()]
    controller = {line for line in lines if line and not line.startswith(("#", "-r ", "ansible~="))}
    environment = yaml.safe_load((ROOT / "execution-environment.yml").read_text(encoding="utf-8"))["dependencies"]
    found = {environment["ansible_core"]["package_pip"], environment["ansible_runner"]["package_pip"], *environment["python"]}
    assert found == controller
