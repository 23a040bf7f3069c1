"""Trees between processes, and calls between them."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest
from leafspine_embedded.vyos import transport
from leafspine_embedded.vyos.rpc import Channel, Refused, Send, open_channel
from leafspine_embedded.vyos.schema import PathError
from leafspine_embedded.vyos.tree import Node, Tree

BOOT = """interfaces {
    ethernet eth1 {
        address 10.1.5.1/24
        description "a b"
    }
}
protocols {
    bgp {
        neighbor 10.1.10.2 {
            address-family {
                ipv4-unicast {
                }
            }
            remote-as 500
        }
        system-as 65005
    }
}
"""


def test_a_tree_survives_the_way() -> None:
    tree = transport.typed(Tree.parse(BOOT))
    assert transport.from_data(json.loads(json.dumps(transport.to_data(tree)))) == tree
    assert transport.problems(tree) == []
    assert tree.text() == BOOT


@pytest.mark.parametrize("data", [None, [], ["node", [], {}, 1], ["tree", [], {}], ["leaf", [1], {}], ["node", [], {"a": 1}], ["node", "x", {}]])
def test_what_is_no_tree_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="not a configuration"):
        transport.from_data(data)


def test_a_bottomless_tree_is_refused() -> None:
    data: list[Any] = ["node", [], {}]
    for _ in range(60):
        data = ["node", [], {"x": data}]
    with pytest.raises(ValueError, match="not a configuration"):
        transport.from_data(data)


def test_a_tree_the_table_does_not_allow_is_found() -> None:
    tree = Tree(Node("node", [], {"bogus": Node("leaf", ["1"])}))
    assert transport.problems(tree) == ["Configuration path: [bogus] is not valid"]
    with pytest.raises(PathError):
        transport.typed(tree)


async def pair(handler: Any) -> tuple[Channel, Channel, list[asyncio.Task[None]]]:
    async def nothing(name: str, arguments: dict[str, Any], send: Send) -> None:
        raise Refused("nothing here", "none", {"a": 1})

    one, two = socket.socketpair()
    left, right = await open_channel(one.detach(), nothing), await open_channel(two.detach(), handler)
    return left, right, [asyncio.ensure_future(left.serve()), asyncio.ensure_future(right.serve())]


async def test_calls_both_ways_errors_and_pieces() -> None:
    cancelled = asyncio.Event()

    async def handler(name: str, arguments: dict[str, Any], send: Send) -> Any:
        if name == "count":
            for number in range(arguments["to"]):
                await send(str(number))
            return "end"
        if name == "forever":
            try:
                while True:
                    await send("x")
                    await asyncio.sleep(0.001)
            finally:
                cancelled.set()
        if name == "broken":
            raise ZeroDivisionError("oops")
        return arguments

    left, right, tasks = await pair(handler)
    assert await left.call("echo", a=[1, "x\n"]) == {"a": [1, "x\n"]}
    assert [piece async for piece in left.pieces("count", to=3)] == ["0", "1", "2"]
    with pytest.raises(Refused, match="nothing here") as caught:
        await right.call("x")
    assert (caught.value.kind, caught.value.data) == ("none", {"a": 1})
    with pytest.raises(Refused, match="ZeroDivisionError: oops"):
        await left.call("broken")
    stream = left.pieces("forever")
    assert await anext(stream) == "x"
    await stream.aclose()  # type: ignore[attr-defined]
    await asyncio.wait_for(cancelled.wait(), 2)
    assert await asyncio.gather(*(left.call("echo", n=n) for n in range(20))) == [{"n": n} for n in range(20)]
    tasks[1].cancel()
    right._writer.close()
    with pytest.raises(Refused, match="gone"):
        await asyncio.wait_for(left.call("echo"), 2)
    tasks[0].cancel()
