"""`python -m leafspine_embedded.kind.revive <cluster>`: complete what is missing of a cluster and start its server when it does not run.

The real tool has no such command (there, Docker restarts the containers). Prints one line for each thing repaired, nothing when all is
well; exit code 1 when there is no such cluster or it cannot be repaired.
"""

from __future__ import annotations

import sys

from leafspine_embedded.common.errors import EngineError
from leafspine_embedded.kind import cluster


def main(arguments: list[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    if len(given) != 1:
        print("usage: python -m leafspine_embedded.kind.revive <cluster>", file=sys.stderr)
        return 1
    try:
        with cluster.locked():
            context = cluster.context_of(given[0])
            if context is None:
                print(f'ERROR: no cluster "{given[0]}"', file=sys.stderr)
                cluster.tidy()
                return 1
            for line in cluster.repair(context, cluster.wiring_of(given[0])):
                print(f"repaired: {line}")
    except EngineError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
