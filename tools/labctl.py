"""What `./lab status`, `shell`, `kubectl`, `calicoctl`, `graph` and `doctor` do: look at the running lab and open a way into it.

Builds nothing and changes nothing. Works on a lab host that is this machine; names and addresses come from the inventory's intent.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "collections"))

from ansible_collections.leafspine.calico.plugins.module_utils import lab_graph, lab_state_text
from lab_access import answers, open_shell, read_intent, with_environment


def print_summary(intent: dict[str, Any], state: dict[str, Any]) -> None:
    """What runs, in a few lines, and what to try next."""
    leaf = next(router["name"] for router in intent["routers"] if router["role"] == "leaf")
    print(f"lab {state['lab']}: {lab_state_text.summary(state)}")
    print("try next:")
    for command, what in (
        (f"./lab shell {leaf} show ip bgp", "the leaf's BGP table, over SSH; without a command: its VyOS CLI"),
        ("./lab status", "devices, sessions, prefixes, pods, services, drift"),
        ("./lab calicoctl get bgppeer -o wide", "which leaf the nodes of each rack peer with"),
        ("./lab kubectl get pods -A -o wide", "pods, their addresses and nodes"),
        ("./lab verify", "every claim about the lab, measured"),
        ("./lab down", "take it all away"),
    ):
        print(f"  {command:<40} {what}")


def draw(intent: dict[str, Any], arguments: argparse.Namespace) -> int:
    """The fabric in the wanted language, with the lab's state if one of its routers answers."""
    state = None
    if not arguments.intent and any(answers(router["management"]["address"], 22) for router in intent["routers"]):
        import lab_status

        state = lab_status.look(intent)
    try:
        text = lab_graph.mermaid(intent, state) if arguments.format == "mermaid" else lab_graph.dot(intent, state)
        text = lab_graph.svg(text) if arguments.format == "svg" else text
    except RuntimeError as error:
        sys.exit(f"lab: {error}")
    if arguments.output:
        Path(arguments.output).write_text(text + "\n", encoding="utf-8")
    else:
        print(text)
    return 0


def parse() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="lab")
    parser.add_argument("-i", "--inventory", default="inventories/embedded")
    commands = parser.add_subparsers(dest="command", required=True)
    status = commands.add_parser(
        "status", help="what runs", description="What runs: devices, sessions, prefixes, pods, services, drift. Exit code 1: a trouble."
    )
    status.add_argument("--json", action="store_true", help="for programs")
    status.add_argument("--watch", nargs="?", type=float, const=2.0, metavar="SECONDS", help="again and again, every 2 seconds if nothing else is said")
    commands.add_parser("summary", help="what runs in short, and what to try next")
    shell = commands.add_parser("shell", help="a router's CLI or a shell on a node")
    shell.add_argument("device")
    shell.add_argument("words", nargs=argparse.REMAINDER)
    graph = commands.add_parser("graph", help="the fabric as a picture", description="The fabric as a picture; coloured by its state where the lab runs.")
    graph.add_argument("format", nargs="?", choices=["mermaid", "svg", "dot"], default="mermaid")
    graph.add_argument("-o", "--output", help="a file instead of standard output")
    graph.add_argument("--intent", action="store_true", help="only what is intended, even where the lab runs")
    doctor = commands.add_parser("doctor", help="known troubles and how to mend them", description="Known troubles of this machine and of the running lab.")
    doctor.add_argument("--json", action="store_true", help="for programs")
    for tool in ("kubectl", "calicoctl"):
        commands.add_parser(tool, add_help=False).add_argument("words", nargs=argparse.REMAINDER)
    return parser.parse_known_args()


def main() -> int:
    arguments, unknown = parse()
    intent = read_intent(arguments.inventory)
    if arguments.command in ("status", "summary"):
        import lab_status

        if arguments.command == "status":
            return lab_status.run(intent, arguments.json, arguments.watch)
        print_summary(intent, lab_status.look(intent))
        return 0
    if arguments.command == "doctor":
        import lab_doctor

        return lab_doctor.examine(intent, arguments.json)
    if arguments.command == "graph":
        return draw(intent, arguments)
    if arguments.command == "shell":
        return open_shell(intent, arguments.device, arguments.words)
    return subprocess.call(with_environment(intent, [arguments.command, *unknown, *arguments.words]))


if __name__ == "__main__":
    sys.exit(main())
