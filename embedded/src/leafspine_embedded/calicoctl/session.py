"""What every command that talks to the datastore does first: connect, compare versions."""

from __future__ import annotations

from . import config
from .arguments import Arguments
from .datastore import Calico
from .errors import CommandError, DoesNotExist, ResourceError
from .kinds import BY_NAME
from .kubeclient import KubeClient

VERSION = "v3.31.0"


def connect(args: Arguments) -> Calico:
    """A client for the command line's --config and --context. Raises CommandError."""
    return Calico(KubeClient(config.load(args.values.get("config"), args.values.get("context", ""))))


def _number(version: str) -> str:
    return version.removeprefix("v").split("-")[0]


def check_version(args: Arguments, calico: Calico | None) -> None:
    """Refuse to work on a cluster of another Calico version, unless told otherwise. Raises CommandError."""
    if "allow-version-mismatch" in args.flags or calico is None:
        return
    hint = "Use --allow-version-mismatch to override"
    try:
        information = calico.get(BY_NAME["ClusterInformation"], "default")
    except DoesNotExist:
        return
    except ResourceError as error:
        raise CommandError(f"unable to get Cluster Information to verify version mismatch: {error}\n{hint}") from None
    cluster = information["spec"].get("calicoVersion") or ""
    if cluster and _number(cluster) != _number(VERSION):
        raise CommandError(f"version mismatch.\nClient Version:   {VERSION}\nCluster Version:  {_number(cluster)}\n{hint}")


def connected(args: Arguments) -> Calico:
    """Connect and compare versions, for commands that have no file to read in between. Raises CommandError."""
    calico = connect(args)
    check_version(args, calico)
    return calico


def try_connect(args: Arguments) -> tuple[Calico | None, CommandError | None]:
    """The client, or why there is none: the real tool reads its files before it complains about the configuration."""
    try:
        return connect(args), None
    except CommandError as error:
        return None, error
