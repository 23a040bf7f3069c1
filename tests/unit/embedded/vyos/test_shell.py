"""Programs at the operational prompt: what reaches a program's command line, and what never does."""

from __future__ import annotations

import pytest
from leafspine_embedded.vyos import opmode, shell
from leafspine_embedded.vyos.optable import OpError
from leafspine_embedded.vyos.tools import BadOption
from leafspine_embedded.vyos.words import split

ALLOWED = {
    "ip -j -4 route show": ["ip", "-j", "-4", "route", "show"],
    "ip route": ["ip", "route", "show"],
    "ip r": ["ip", "r", "show"],
    "ip -br addr": ["ip", "-br", "addr", "show"],
    "sudo ip -s link show eth1": ["ip", "-s", "link", "show", "eth1"],
    "ip route show table all": ["ip", "route", "show", "table", "all"],
    "ip route get 10.0.0.1 from 10.0.0.2 iif eth3 ipproto tcp sport 4000 dport 80": [
        *("ip", "route", "get", "10.0.0.1", "from", "10.0.0.2", "iif", "eth3", "ipproto", "tcp", "sport", "4000", "dport", "80")
    ],
    "sudo timeout 3 tcpdump -i any -c 5 'icmp and (src 10.0.0.1 or dst 10.0.0.1)'": [
        *("timeout", "--signal=INT", "3", "tcpdump", "-nn", "-l", "-c", "5", "-i", "any", "icmp and (src 10.0.0.1 or dst 10.0.0.1)")
    ],
    "tcpdump -c 1 -i eth1 tcp port 80": ["tcpdump", "-nn", "-l", "-c", "1", "-i", "eth1", "tcp port 80"],
}
REFUSED = [
    "ip",
    "ip route flush table main",
    "ip route add 10.0.0.0/8 via 10.0.0.1",
    "ip route del default",
    "ip link set eth1 down",
    "ip -n other route show",
    "ip -netns other route show",
    "ip -batch /etc/shadow",
    "ip netns exec x sh",
    "ip route show -batch",
    "ip -force route show",
    "tcpdump -i eth1",
    "timeout 5 tcpdump",
    "timeout 5 tcpdump -i eth1 -w /tmp/x",
    "timeout 5 tcpdump -i eth1 -r /etc/shadow",
    "timeout 5 tcpdump -i eth1 -z sh",
    "timeout 5 tcpdump -i eth1 -F /etc/shadow",
    "timeout 5 tcpdump -i -w 'x'",
    "timeout 0 tcpdump -i eth1",
    "timeout 601 tcpdump -i eth1",
    "timeout 3",
    "timeout -k 5 5 ip route",
    "timeout 3 sh",
    "sudo sh",
    "sudo",
    "sudo sudo ip route",
    "curl",
    "curl file:///etc/shadow",
    "curl -s -m1 https://10.0.0.1/",
    "curl -s -m1 http://name/",
    "curl -s -m1 -o /tmp/x http://10.0.0.1/",
    "curl -s -m1 -T /etc/shadow http://10.0.0.1/",
    "curl -s -m1 -K /etc/shadow http://10.0.0.1/",
    "curl -s -m1 -d @/etc/shadow http://10.0.0.1/",
    "curl -s -m1 -w @/etc/shadow http://10.0.0.1/",
    "curl -s -m9999 http://10.0.0.1/",
    "curl -s -m http://10.0.0.1/",
    "curl -s --unix-socket /run/x http://10.0.0.1/",
    "curl -s -x 10.0.0.9 http://10.0.0.1/",
]


@pytest.mark.parametrize(("line", "expected"), ALLOWED.items(), ids=ALLOWED)
def test_what_only_looks_is_run(line: str, expected: list[str]) -> None:
    words = split(line).words
    assert shell.argv(words) == expected
    assert opmode.resolve(words) == ["shell", *words]


def test_curl_asks_an_address_as_nobody() -> None:
    words = split("""curl -s -m2 --interface 10.1.5.1 --local-port 40000 -w '%{exitcode} %{http_code}\\n' "http://10.1.5.10:32000/json#[1-40]" """).words
    argv = shell.argv(words)
    assert "--reuid=65534" in argv
    assert argv[argv.index("curl") :] == [
        *("curl", "-q", "--noproxy", "*", "-s", "-m", "2", "--interface", "10.1.5.1", "--local-port", "40000"),
        *("-w", "%{exitcode} %{http_code}\\n", "http://10.1.5.10:32000/json#[1-40]"),
    ]


def test_curl_without_a_limit_gets_one() -> None:
    argv = shell.argv(split("curl http://10.0.0.1/").words)
    assert argv[argv.index("-m") + 1] == "60"


@pytest.mark.parametrize("line", REFUSED)
def test_everything_else_is_refused(line: str) -> None:
    words = split(line).words
    with pytest.raises(BadOption):
        shell.argv(words)
    with pytest.raises(OpError, match="not supported by the embedded engine"):
        opmode.resolve(words)


def test_monitor_traffic_is_tcpdump() -> None:
    words = split('monitor traffic interface eth1 filter "tcp port 179"').words
    assert shell.monitor(opmode.resolve(words)) == ["tcpdump", "-nn", "-l", "-i", "eth1", "tcp port 179"]
    assert shell.monitor(opmode.resolve(split("monitor traffic interface eth1").words)) == ["tcpdump", "-nn", "-l", "-i", "eth1"]


@pytest.mark.parametrize("line", ["monitor traffic interface -w", "monitor traffic interface eth1 filter '$(x)'", "monitor traffic"])
def test_monitor_traffic_is_checked(line: str) -> None:
    with pytest.raises(OpError):
        opmode.resolve(split(line).words)


@pytest.mark.parametrize("options", [{"words": "ip route"}, {"words": ["ip", 4]}, {"words": None}])
def test_the_helper_takes_only_lists_of_words(options: dict[str, object]) -> None:
    for program in shell.STREAMS.values():
        with pytest.raises(BadOption):
            program(options)
