"""Which images this machine "has". There are no layers and no registry: a name stands for a program."""

from __future__ import annotations

from ..common.errors import EngineError
from .model import CONFIG_BOOT, Node

ROUTER = "router"  # the VyOS command line over FRR
PLAIN = "plain"  # a namespace with its links, nothing runs in it
_WORDS = {"vyos": ROUTER, "router": ROUTER, "nettool": PLAIN}


def program(image: str) -> str | None:
    """ROUTER, PLAIN, or None when the catalogue does not know the image."""
    repository = image.split("@")[0].lower()
    return next((what for word, what in _WORDS.items() if word in repository), None)


def check(node: Node) -> None:
    """Raises EngineError when the node's image is unknown, or a router has no boot configuration."""
    what = program(node.image)
    if what is None:
        raise EngineError(f"Image {node.image} not found locally, and image-pull-policy=Never prevents containerlab from pulling it.")
    if what == ROUTER and node.config_boot is None:
        raise EngineError(f'node "{node.name}": image {node.image} is a router and needs a file bound to {CONFIG_BOOT}')


def is_router(node: Node) -> bool:
    """True when the node runs FRR and answers the VyOS command line."""
    return node.kind == "linux" and program(node.image) == ROUTER
