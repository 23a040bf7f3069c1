"""Entry point of the drop-in: 0 is the only success, every failure is 1."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .arguments import USAGE, Arguments, parse
from .errors import CommandError, ResourceError


def _version(args: Arguments) -> str:
    from .kinds import BY_NAME
    from .session import VERSION, connect

    if "poll" in args.values:
        raise CommandError("--poll is not supported by the embedded engine")
    # Real builds carry the commit of Calico's source here; this one is built from none of it.
    lines = [f"Client Version:    {VERSION}", "Git commit:        embedded"]
    print("\n".join(lines), flush=True)
    if "client" in args.flags:
        return ""
    try:
        spec = connect(args).get(BY_NAME["ClusterInformation"], "default")["spec"]
    except ResourceError as error:
        raise CommandError(f"unable to retrieve Cluster Version or Type: {error}") from None
    return f"Cluster Version:    {spec.get('calicoVersion') or 'unknown'}\nCluster Type:      {spec.get('clusterType') or 'unknown'}\n"


def _lock(args: Arguments, ready: bool) -> str:
    from .session import connected

    try:
        connected(args).set_ready(ready)
    except ResourceError as error:
        raise CommandError(f"error updating ClusterInformation for {'un' if ready else ''}locking: {error}") from None
    return f"Datastore {'un' if ready else ''}locked.\n"


def _run(args: Arguments) -> tuple[str, str]:
    """(standard output, error)."""
    if args.command == "help" or "help" in args.flags:
        return f"{USAGE}\n", ""
    if args.command == "version":
        return _version(args), ""
    if args.command.startswith("datastore"):
        return _lock(args, args.command.endswith("unlock")), ""
    if args.command == "node status":
        from leafspine_embedded.common.state import run_root

        from . import nodestatus

        result = nodestatus.status(run_root())
    elif args.command.startswith("ipam"):
        from . import ipam

        result = ipam.show(args) if args.command == "ipam show" else ipam.check(args)
    else:
        from . import crud

        commands = {"get": crud.get, "delete": crud.delete, "patch": crud.patch, "replace": crud.replace, "label": crud.label}
        result = commands.get(args.command, crud.write)(args)
    return result.stdout, result.error


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; prints what the real tool prints where it prints it. Returns the exit code."""
    try:
        out, error = _run(parse(sys.argv[1:] if argv is None else argv))
        sys.stdout.write(out)
        sys.stdout.flush()
    except CommandError as problem:
        print(problem, file=sys.stdout if problem.stdout else sys.stderr, flush=True)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    if error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
