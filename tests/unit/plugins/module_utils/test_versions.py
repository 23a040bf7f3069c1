"""Versions: read from what tools print, compared with ranges, and what they force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.leafspine.calico.plugins.module_utils import versions

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind v0.33.0 go1.25.4 linux/amd64\n", "0.33.0"),
        ("  ____ ___  _\n / 1.2 |\n    version: 0.79.0\n     commit: 39ff2b7c\n       date: 2026-01-01T00:00:00Z\n", "0.79.0"),
        ("Client Version:    v3.31.0\nGit commit:        ee2a2d8\n", "3.31.0"),
        ("Client Version: v1.34.4\nKustomize Version: v5.7.1\n", "1.34.4"),
        ("Client: Docker Engine - Community\n Version:           20.10.24\n API version:       1.41\n", "20.10.24"),
        ("no number here", None),
        ("", None),
    ],
    ids=["kind", "containerlab", "calicoctl", "kubectl", "docker", "words", "nothing"],
)
def test_a_tool_s_version_is_read(text: str, expected: str | None) -> None:
    assert versions.version_in(text) == expected


@pytest.mark.parametrize(
    ("version", "supported", "fits"),
    [
        ("0.79.0", ">=0.77,<1.0", True),
        ("0.77", ">=0.77.0", True),
        ("0.76.9", ">=0.77,<1.0", False),
        ("1.0.0", ">=0.77,<1.0", False),
        ("0.9.0", ">=0.77", False),
        ("3.31.4", "==3.31", False),
        ("3.31.0", "==3.31", True),
        ("20.10.24", "", True),
        ("2.1", ">2.0, <=2.1", True),
    ],
)
def test_ranges(version: str, supported: str, fits: bool) -> None:
    assert versions.satisfies(version, supported) is fits


@pytest.mark.parametrize("supported", ["0.77", "~>0.77", ">=x"])
def test_a_range_that_is_none_is_refused(supported: str) -> None:
    with pytest.raises(ValueError, match="is no condition on a version; allowed"):
        versions.satisfies("1.0", supported)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("kindest/node:v1.34.4@sha256:0123", "1.34.4"),
        ("localhost:5000/kindest/node:v1.23.4", "1.23.4"),
        ("kindest/node:v1.36.0-rc.1", "1.36.0"),
        ("kindest/node:latest", None),
        ("localhost:5000/node", None),
        ("", None),
    ],
)
def test_the_version_of_a_node_image_is_its_tag(image: str, expected: str | None) -> None:
    assert versions.tag_version(image) == expected


def taint_keys(image: str) -> list[str]:
    return [taint["key"].rpartition("/")[2] for taint in versions.forced({}, image)["control_plane_taints"]]


def test_what_the_kubernetes_version_forces() -> None:
    assert [taint_keys(f"kindest/node:v{version}") for version in ("1.23.4", "1.24.15", "1.34.4")] == [
        ["master"],
        ["control-plane", "master"],
        ["control-plane"],
    ]
    assert [versions.forced({}, f"kindest/node:v{version}")["kubelet_args_form"] for version in ("1.23.4", "1.34.4", "1.36.0")] == ["map", "map", "list"]
    assert taint_keys("mirror/node:mine") == ["control-plane"]


@pytest.mark.parametrize(("version", "reconciles"), [("0.76.2", False), ("0.77.0", True), ("0.79.0", True), (None, True)])
def test_containerlab_reconciles_from_0_77_on(version: str | None, reconciles: bool) -> None:
    assert versions.forced({"containerlab": {"version": version}}, "")["containerlab_reconciles"] is reconciles


@pytest.mark.parametrize(
    ("calicoctl", "calico", "told"),
    [
        ("3.31.0", "3.31.0", False),
        ("3.31.0", "v3.31.0", False),
        ("3.31.2", "3.31.0", True),
        ("3.30.0", "3.31.0", False),
        (None, "3.31.0", False),
        ("3.31.0", "", False),
    ],
)
def test_calicoctl_is_told_of_another_version_only_within_a_minor(calicoctl: str | None, calico: str, told: bool) -> None:
    assert versions.forced({"calicoctl": {"version": calicoctl}}, "", calico)["calicoctl_mismatch"] is told


WANTED = {"supported": ">=0.77,<1.0", "pinned": "0.79.0", "get": "see there"}


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"path": None}, ["containerlab: not found", ">=0.77,<1.0", "0.79.0 is known to work", "see there"]),
        ({"path": "/bin/containerlab", "version": "0.59.0"}, ["/bin/containerlab is version 0.59.0", ">=0.77,<1.0", "see there"]),
        ({"path": "/bin/containerlab", "version": None}, ["/bin/containerlab names no version"]),
        ({"path": "/bin/containerlab", "version": None, "error": "no daemon"}, ["/bin/containerlab does not work: no daemon", "see there"]),
    ],
    ids=["missing", "too old", "mute", "broken"],
)
def test_a_problem_says_what_was_found_what_is_needed_and_what_to_do(found: dict[str, Any], says: list[str]) -> None:
    problem = versions.tool_problem("containerlab", WANTED, found) or ""
    assert [part for part in says if part not in problem] == []


def test_a_tool_that_fits_is_no_problem() -> None:
    assert versions.tool_problem("containerlab", WANTED, {"path": "/bin/containerlab", "version": "0.78.1"}) is None


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        (f"{'a' * 64}  kind-linux-arm64\n{'b' * 64}  kind-linux-amd64\n", "b" * 64),
        (f"{'C' * 64} *dist/kind-linux-amd64\n", "c" * 64),
        (f"{'d' * 64}\n", "d" * 64),
        (f"{'e' * 64}  kind-linux-amd64.sig\n", None),
        ("not found", None),
    ],
    ids=["list", "binary mark and folder", "hash alone", "another file", "an error page"],
)
def test_checksums_are_read_as_sha256sum_prints_them(listing: str, expected: str | None) -> None:
    assert versions.checksum_for(listing, "kind-linux-amd64") == expected


def test_the_profiles_are_complete_and_fit_themselves() -> None:
    """Every profile names every tool's range, and its own pinned versions are within them."""
    data = yaml.safe_load((ROOT / "inventories/containers/group_vars/all/versions.yml").read_text())
    for profile in data["lab_profiles"].values():
        assert set(profile["supported"]) == set(data["lab_tools"])
        for tool, pinned in {"kind": "kind", "containerlab": "containerlab", "calicoctl": "calico", "kubectl": "kubernetes"}.items():
            assert versions.satisfies(profile[pinned], profile["supported"][tool]), tool
