"""The command line: the flags that modules and documents use, and a refusal by name of those the real tool has beside them."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from ..common.errors import EngineError

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")
_REFUSED = {
    "deploy": "--graph --network --ipv4-subnet -4 --ipv6-subnet -6 --node-filter --export-template --vars --skip-post-deploy --restore",
    "destroy": "--node-filter --keep-mgmt-net --vars",
    "inspect": "--node-filter --vars",
    "exec": "--file --node-filter --vars",
    "restart": "--node-filter --vars",
    "validate": "--vars",
    "version": "",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise EngineError(message)


def duration(text: str) -> float:
    """Seconds of a duration such as 2m0s, 90s, 1h (a bare number is not one). Raises argparse.ArgumentTypeError."""
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise argparse.ArgumentTypeError(f"invalid duration {text!r}: write it like 90s or 2m0s")
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def _refuse(option: str) -> type[argparse.Action]:
    class Refuse(argparse.Action):
        def __call__(self, *_: object) -> NoReturn:
            raise EngineError(f"{option} is not supported by the embedded containerlab")

    return Refuse


def _shared() -> _Parser:
    """Flags that are accepted before and behind the command; SUPPRESS lets the place where they were given win."""
    shared = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    shared.add_argument("-t", "--topo", help="topology file")
    shared.add_argument("--name", help="lab name")
    shared.add_argument("--timeout", type=duration, help="how long to wait for external containers (default 3m0s)")
    shared.add_argument("--log-level", help="trace, debug, info, warning, error or fatal")
    shared.add_argument("-d", "--debug", action="store_true", help="same as --log-level debug")
    shared.add_argument("-r", "--runtime", help="only the embedded engine's own; accepted: docker")
    return shared


def parse(argv: list[str]) -> argparse.Namespace:
    """The options. Raises EngineError for a wrong command line; --help ends the program."""
    shared = _shared()
    parser = _Parser(prog="containerlab", description="containerlab's command line on network namespaces (embedded engine)", parents=[shared])
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    deploy = commands.add_parser("deploy", aliases=["dep"], parents=[shared], help="deploy a lab, or bring it in line with its file")
    deploy.add_argument("-c", "--reconfigure", action="store_true", help="destroy the lab first")
    deploy.add_argument("--dry-run", action="store_true", help="print the plan, change nothing")
    deploy.add_argument("-f", "--format", choices=["table", "json"], default="table")
    deploy.add_argument("--max-workers", type=int, help="accepted, has no effect: everything is made at once")
    destroy = commands.add_parser("destroy", aliases=["des"], parents=[shared], help="remove a lab")
    destroy.add_argument("-a", "--all", action="store_true", help="all labs")
    destroy.add_argument("-c", "--cleanup", action="store_true", help="accepted: nothing is ever left in the topology's directory")
    destroy.add_argument("-y", "--yes", action="store_true", help="accepted: there is no question")
    destroy.add_argument("--graceful", action="store_true", help="accepted, has no effect")
    destroy.add_argument("--max-workers", type=int, help="accepted, has no effect")
    inspect = commands.add_parser("inspect", aliases=["ins", "i"], parents=[shared], help="list the nodes of labs")
    inspect.add_argument("-a", "--all", action="store_true", help="all labs")
    inspect.add_argument("-f", "--format", choices=["table", "json"], default="table")
    inspect.add_argument("--details", action=_refuse("--details"), nargs=0)
    execute = commands.add_parser("exec", parents=[shared], help="run commands in containers of a lab")
    execute.add_argument("--cmd", action="append", required=True, help="command; may be given several times")
    execute.add_argument("--label", action="append", default=[], help="only containers with this label, such as clab-node-name=leaf0")
    execute.add_argument("-f", "--format", choices=["plain", "json"], default="plain")
    restart = commands.add_parser("restart", parents=[shared], help="start nodes of a lab anew")
    restart.add_argument("-n", "--node", action="append", required=True, help="node; may be given several times, or several with commas")
    commands.add_parser("validate", parents=[shared], help="check a topology file")
    commands.add_parser("version", parents=[shared], help="show the version")
    for name, refused in _REFUSED.items():
        for option in refused.split():
            commands.choices[name].add_argument(option, action=_refuse(option), nargs="?", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.command is None:
        parser.print_help()
        raise SystemExit(0)
    options.command = {"dep": "deploy", "des": "destroy", "ins": "inspect", "i": "inspect"}.get(options.command, options.command)
    return options
