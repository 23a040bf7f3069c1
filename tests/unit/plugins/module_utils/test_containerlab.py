"""What containerlab says and what follows from it; its measured texts are rows of tests/contract/data/containerlab.yaml."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils.containerlab import PLAN_LISTS, containers_of, error_of, hint_for, parse_json, work_of

NO_WORK: dict[str, Any] = {"dry-run": True, "deployed-lab": False, **{key: [] for key in PLAN_LISTS}}


def test_an_empty_plan_is_no_work() -> None:
    assert work_of(NO_WORK) == {}
    assert work_of({}) == {}


@pytest.mark.parametrize("key", PLAN_LISTS)
def test_every_list_of_the_plan_is_work(key: str) -> None:
    assert work_of({**NO_WORK, key: ["leaf0"]}) == {key: ["leaf0"]}


def test_a_lab_that_is_not_deployed_is_work_with_its_name() -> None:
    assert work_of({"dry-run": True, "deployed-lab": True, "lab-name": "lab"}) == {"deployed-lab": ["lab"]}


def test_what_explains_the_plan_is_not_work() -> None:
    assert work_of({**NO_WORK, "node-change-reasons": {"leaf0": ["env"]}}) == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param('{"lab": []}', {"lab": []}, id="only JSON"),
        pytest.param("{}\n", {}, id="no lab at all"),
        pytest.param('a log line\n{"a": [1]}', {"a": [1]}, id="a line before it"),
        pytest.param('[{"name": "x"}]', [{"name": "x"}], id="a list"),
    ],
)
def test_json_is_found(text: str, value: Any) -> None:
    assert parse_json(text) == value


@pytest.mark.parametrize("text", ["", "no lab here", '{"lab": '], ids=["nothing", "words", "cut off"])
def test_what_is_no_json_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


INSPECT = {"lab": [{"name": "clab-lab-leaf0", "state": "running"}], "lab2": [{"name": "clab-lab2-leaf0", "state": "exited"}]}


def test_containers_of_one_lab_only() -> None:
    assert containers_of(INSPECT, "lab") == {"clab-lab-leaf0": {"name": "clab-lab-leaf0", "state": "running"}}


@pytest.mark.parametrize(("inspect", "lab"), [({}, "lab"), (INSPECT, "la"), ([], "lab")], ids=["none", "a part of a name", "not an object"])
def test_a_lab_that_is_not_there_has_no_containers(inspect: Any, lab: str) -> None:
    assert containers_of(inspect, lab) == {}


@pytest.mark.parametrize(
    ("log", "line"),
    [
        pytest.param(
            "10:00:00 INFO Parsing\n10:00:01 ERRO failed to deploy\n10:00:02 INFO bye\n", "ERRO failed to deploy", id="the error, not what follows it"
        ),
        pytest.param("10:00:01 ERRO first\n10:00:02 ERRO second", "ERRO second", id="the last of several"),
        pytest.param("10:00:00 INFO Parsing\nError: no such file", "Error: no such file", id="without a level"),
        pytest.param("something odd\nand odder\n\n", "and odder", id="no error line"),
        pytest.param("", "no output", id="nothing"),
    ],
)
def test_the_line_that_says_what_is_wrong(log: str, line: str) -> None:
    assert error_of(log) == line


def test_a_text_without_a_known_cause_has_no_hint() -> None:
    assert hint_for("the moon is in the wrong phase") == ""


def test_a_plan_survives_the_way_through_json() -> None:
    assert work_of(parse_json(json.dumps({**NO_WORK, "added-links": ["a -- b"]}))) == {"added-links": ["a -- b"]}


BOXED = """09:00:01 INFO Containerlab started version=0.79.0
09:00:01 WARN errors during iptables rules install

   \x1b[1mERROR\x1b[0m

  Image leafspine/router:1 not found locally, and image-pull-policy=Never
  prevents containerlab from pulling it.

"""


def test_the_sentence_in_a_box_is_the_error_wherever_its_lines_break() -> None:
    """As the real program prints it; there every line is filled up with blanks."""
    assert (
        error_of("\n".join(f"{line:<120}" for line in BOXED.splitlines()))
        == "Image leafspine/router:1 not found locally, and image-pull-policy=Never prevents containerlab from pulling it."
    )
    assert "docker load" in hint_for(BOXED)


def test_an_empty_box_leaves_the_last_line() -> None:
    assert error_of("09:00:01 INFO started\n   ERROR  \n") == "ERROR"
