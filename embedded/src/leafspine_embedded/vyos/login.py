"""Passwords of `system login user`: encrypted when they are committed, checked at login."""

from __future__ import annotations

import asyncio

from leafspine_embedded.vyos import sshoptions
from leafspine_embedded.vyos.tree import Node, Tree


def users(tree: Tree) -> list[str]:
    """Names of the users that may log in."""
    names = tree.keys("system", "login", "user")
    return [name for name in names if not tree.exists(["system", "login", "user", name, "disable"]) and sshoptions.may_enter(tree, name)]


def check_password(tree: Tree, user: str, password: str) -> bool:
    """True when `password` is that user's. Slow by design: call it in a thread."""
    from passlib.context import CryptContext

    stored = tree.value("system", "login", "user", user, "authentication", "encrypted-password")
    if stored is None or stored in ("!", "*") or user not in users(tree):
        return False
    context = CryptContext(["sha512_crypt", "sha256_crypt", "md5_crypt", "des_crypt"])
    try:
        return bool(context.verify(password, stored))
    except (ValueError, TypeError):
        return False


def hash_password(password: str) -> str:
    """SHA-512 crypt with the rounds VyOS uses. About half a second of CPU."""
    from passlib.hash import sha512_crypt

    return str(sha512_crypt.using(rounds=656000).hash(password))


async def encrypt_passwords(tree: Tree) -> Tree:
    """A copy of `tree` in which every plaintext-password has become an encrypted-password."""
    new = tree.copy()
    for name in new.keys("system", "login", "user"):
        node = new.get(["system", "login", "user", name, "authentication"])
        plain = new.value("system", "login", "user", name, "authentication", "plaintext-password")
        if node is None or not plain:
            continue
        hashed = await asyncio.to_thread(hash_password, plain)
        del node.children["plaintext-password"]
        node.children["encrypted-password"] = Node("leaf", [hashed])
    return new
