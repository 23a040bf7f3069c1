"""Image references and what they stand for."""

from __future__ import annotations

import pytest
from leafspine_embedded.images import catalogue


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("nettool", "docker.io/library/nettool:latest"),
        ("lab/nettool:1", "docker.io/lab/nettool:1"),
        ("quay.io/calico/node:v3.31.0", "quay.io/calico/node:v3.31.0"),
        ("registry.lab:5000/x/nettool", "registry.lab:5000/x/nettool:latest"),
        ("localhost/nettool:1", "localhost/nettool:1"),
        ("nettool@sha256:" + "a" * 64, "docker.io/library/nettool@sha256:" + "a" * 64),
    ],
)
def test_a_reference_is_written_out(text: str, whole: str) -> None:
    assert str(catalogue.parse(text)) == whole


@pytest.mark.parametrize("text", ["", "Nettool", "a//b", "a:b:c", "x@sha256:1", "-x", "a b", "lab/nettool:", "lab/nettool:-1"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(catalogue.InvalidImage, match="invalid reference format"):
        catalogue.parse(text)


@pytest.mark.parametrize("text", ["lab/nettool:1", "192.168.11.100:80/cka/nettoolbox", "nettool", "registry.k8s.io/pause:3.10"])
def test_known_images_are_found_in_any_registry(text: str) -> None:
    assert catalogue.find(text).kind == catalogue.PROGRAM


def test_calico_node_is_an_agent_and_its_neighbours_are_unknown() -> None:
    assert catalogue.find("quay.io/calico/node:v3.31.0").agent == "calico-node"
    for text in ("quay.io/calico/cni:v3.31.0", "node", "other/node", "nginx", "mynettool", "nettool/extra"):
        with pytest.raises(catalogue.ImageNotFound, match="not in the image catalogue"):
            catalogue.find(text)


def test_tags_can_limit_an_entry() -> None:
    only = (catalogue.Image(names=("x",), tags=("1", "2")),)
    assert catalogue.find("x:2", only) is only[0]
    with pytest.raises(catalogue.ImageNotFound):
        catalogue.find("x:3", only)


def test_identity_follows_reference_and_program() -> None:
    assert catalogue.image_id("lab/nettool:1") == catalogue.image_id("docker.io/lab/nettool:1") != catalogue.image_id("lab/nettool:2")


@pytest.mark.parametrize(("text", "policy"), [("a", "Always"), ("a:latest", "Always"), ("a:1", "IfNotPresent"), ("???", "IfNotPresent")])
def test_pull_policy(text: str, policy: str) -> None:
    assert catalogue.default_pull_policy(text) == policy
