"""The image catalogue: image reference -> program of this machine.

A cluster of the embedded engine has no layers and no registry. An image is "pulled" by looking its name up here; a name that is not
here fails as a missing image does on a real node (ErrImagePull, then ImagePullBackOff). Adding an image is adding one entry.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_DOMAIN = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

AGENT = "agent"
PROGRAM = "program"


class InvalidImage(ValueError):
    """The text is not an image reference; the message is the one a kubelet's event shows."""


class ImageNotFound(LookupError):
    """A well-formed reference that the catalogue does not know."""


@dataclass(frozen=True)
class Reference:
    """The parts of an image reference, with Docker Hub's defaults filled in."""

    domain: str
    repository: str
    tag: str
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.domain}/{self.repository}" + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


@dataclass(frozen=True)
class Image:
    """What runs for a name.

    names: the last components of the repository that match (`nettool`, `calico/node`), whatever registry they come from.
    tags: the tags that exist; empty means any.
    kind: PROGRAM (a process of its own) or AGENT (a coroutine of the engine's process; `agent` names it).
    entrypoint, command: as in an image's configuration; a container's `command` and `args` replace them.
    files: machine path -> path in the container, read only, beside the programs under /usr that every image has.
    listens: the TCP port its own program opens; the container counts as started only then, so that "ready" without a probe is true.
    """

    names: tuple[str, ...]
    kind: str = PROGRAM
    tags: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    agent: str = ""
    env: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    listens: int = 0
    title: str = field(default="", compare=False)


def interpreter() -> str:
    """The Python that runs catalogue programs: the real file behind a virtual environment, Debian's own where the versions agree."""
    system = Path(f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")
    return str(system) if system.exists() else str(Path(sys.executable).resolve())


def _python(program: str, *arguments: str) -> tuple[str, ...]:
    return (interpreter(), "-I", "-S", f"/opt/leafspine/images/{program}", *arguments)


IMAGES: tuple[Image, ...] = (
    Image(
        names=("nettool", "nettoolbox"),
        entrypoint=_python("nettool.py"),
        files=((str(_HERE / "nettool.py"), "/opt/leafspine/images/nettool.py"),),
        listens=80,
        title="HTTP server that names pod, address and client; curl, ping, ip, tcpdump of this machine",
    ),
    Image(names=("calico/node",), kind=AGENT, agent="calico-node", title="Calico's IPAM, BIRD and routes of one node"),
    Image(names=("pause",), entrypoint=("/usr/bin/sleep", "infinity"), title="holds a pod's namespaces, does nothing"),
)


def parse(text: str) -> Reference:
    """Split an image reference. Raises InvalidImage."""
    problem = f'Failed to apply default image tag "{text}": couldn\'t parse image name "{text}": invalid reference format'
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise InvalidImage(problem)
    head, slash, tail = rest.partition("/")
    domain = "docker.io"
    if slash and ("." in head or ":" in head or head == "localhost"):
        if not _DOMAIN.fullmatch(head):
            raise InvalidImage(problem)
        domain, rest = head, tail
    repository, colon, tag = rest.partition(":")
    if not _REPOSITORY.fullmatch(repository) or (colon and not _TAG.fullmatch(tag)):
        raise InvalidImage(problem)
    if domain == "docker.io" and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(domain, repository, tag or ("" if digest else "latest"), digest)


def find(text: str, images: Sequence[Image] = IMAGES) -> Image:
    """The catalogue's entry for an image reference. Raises InvalidImage or ImageNotFound (with the text of the kubelet's event)."""
    reference = parse(text)
    for image in images:
        if any(reference.repository == name or reference.repository.endswith(f"/{name}") for name in image.names) and (
            not image.tags or reference.tag in image.tags
        ):
            return image
    known = ", ".join(name for image in images for name in image.names)
    raise ImageNotFound(
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{reference}": not in the image catalogue of the embedded '
        f"engine (it knows {known}): not found"
    )


def image_id(text: str) -> str:
    """A stable identity for status.containerStatuses[].imageID; follows the reference and the program's text."""
    image = find(text)
    digest = hashlib.sha256(str(parse(text)).encode())
    for source, _target in image.files:
        digest.update(Path(source).read_bytes())
    return f"sha256:{digest.hexdigest()}"


def default_pull_policy(text: str) -> str:
    """Always for :latest (or no tag), else IfNotPresent: what the API server fills in."""
    try:
        reference = parse(text)
    except InvalidImage:
        return "IfNotPresent"
    return "Always" if reference.tag == "latest" and not reference.digest else "IfNotPresent"
