"""Write the lists of docs/drop-ins.md from the drop-ins' own command tables.

`tools/dropins_reference.py` compares, `--write` writes. A unit test keeps the page current.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from unittest import mock

from generated_block import ROOT, main, table

sys.path.insert(0, str(ROOT / "embedded" / "src"))

from leafspine_embedded.calicoctl.arguments import COMMANDS as CALICOCTL
from leafspine_embedded.calicoctl.arguments import REFUSED as CALICOCTL_REFUSED
from leafspine_embedded.calicoctl.kinds import KINDS
from leafspine_embedded.containerlab import options as containerlab
from leafspine_embedded.images.catalogue import IMAGES
from leafspine_embedded.kind.cli import COMMANDS as KIND
from leafspine_embedded.kube.resources import BUILTIN
from leafspine_embedded.vyos.configmode import COMMANDS as CONFIGURATION
from leafspine_embedded.vyos.optable import table as operational
from leafspine_embedded.vyos.pipes import PIPES

PAGE = ROOT / "docs" / "drop-ins.md"
PURPOSE = "Lists of docs/drop-ins.md from the drop-ins' command tables."


def code(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def command_table(rows: list[tuple[str, list[str]]]) -> str:
    return table(["command", "options"], [[f"`{command}`", code(options)] for command, options in rows])


def kind() -> str:
    return command_table([(f"kind {' '.join(path)}", [f"--{name}" for name in known]) for path, (known, _run) in KIND.items()])


def containerlab_parsers() -> dict[str, argparse.ArgumentParser]:
    """Parsers of containerlab's commands; the drop-in makes them inside `parse`, so the one that it uses is caught."""
    caught: list[argparse.ArgumentParser] = []

    def catch(parser: argparse.ArgumentParser, _argv: list[str]) -> argparse.Namespace:
        caught.append(parser)
        return argparse.Namespace(command="version")

    with mock.patch.object(argparse.ArgumentParser, "parse_args", catch):
        containerlab.parse([])
    action = next(action for action in caught[0]._actions if isinstance(action, argparse._SubParsersAction))
    found: dict[int, tuple[list[str], argparse.ArgumentParser]] = {}
    for name, parser in action.choices.items():
        found.setdefault(id(parser), ([], parser))[0].append(name)
    return {" | ".join(names): parser for names, parser in found.values()}


def refuses(action: argparse.Action) -> bool:
    return action.help == argparse.SUPPRESS or type(action).__name__ == "Refuse"


def containerlab_commands() -> str:
    rows = []
    for names, parser in containerlab_parsers().items():
        options = [action.option_strings[-1] for action in parser._actions if action.option_strings and not refuses(action)]
        rows.append((f"containerlab {names}", [option for option in options if option != "--help"]))
    return command_table(rows)


def containerlab_refused() -> str:
    found = {action.option_strings[0] for parser in containerlab_parsers().values() for action in parser._actions if refuses(action)}
    return f"Refused by name: {code(sorted(found))}."


def calicoctl() -> str:
    rows = []
    for name, command in CALICOCTL.items():
        options = [f"--{option.rstrip('=')}" for option in command.options if option != "help"]
        rows.append((f"calicoctl {name}", options))
    return f"{command_table(rows)}\n\nRefused by name: {code(list(CALICOCTL_REFUSED))}."


RENDERERS: dict[str, Callable[[], str]] = {
    "kind": kind,
    "containerlab": lambda: f"{containerlab_commands()}\n\n{containerlab_refused()}",
    "calicoctl": calicoctl,
    "calico-kinds": lambda: ", ".join(sorted(kind.name for kind in KINDS)),
    "kubernetes-kinds": lambda: ", ".join(sorted(resource.kind for resource in BUILTIN)),
    "images": lambda: table(["image", "is"], [[code(list(image.names)), image.title] for image in IMAGES]),
    "configuration": lambda: code(sorted(CONFIGURATION)),
    "operational": lambda: code(sorted(f"show {word}" for word, row in operational().children["show"].children.items() if row.supported)),
    "pipes": lambda: code(PIPES),
}


def render(name: str) -> str:
    return RENDERERS[name]()


if __name__ == "__main__":
    sys.exit(main(PAGE, render, PURPOSE))
