from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from leafspine_embedded.kube import crds
from leafspine_embedded.kube.admission import Rules
from leafspine_embedded.kube.lifecycle import Lifecycle
from leafspine_embedded.kube.resources import NAMESPACES
from leafspine_embedded.kube.store import Store


@pytest.fixture
def store() -> Store:
    """A store as the server sets it up, in memory, with the namespace `default`."""
    made = Store()
    made.admission = Rules(made, "10.96.0.0/16")
    crds.follow(made)
    Lifecycle(made, "the authority").start()
    made.create(NAMESPACES, {"metadata": {"name": "default"}})
    return made


def pod(name: str = "p", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": [{"name": "c", "image": "x:1"}], **spec}}


def daemonset(name: str = "app", **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}}


def service(name: str = "svc", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"ports": [{"port": 80}], **spec}}


def definition(schema: dict[str, Any] | None = None, **version: Any) -> dict[str, Any]:
    """A CustomResourceDefinition of widgets.example.com."""
    names = {"kind": "Widget", "plural": "widgets", "shortNames": ["wd"]}
    entry = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema or {"type": "object"}}, **version}
    return {"metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [entry]}}


@pytest.fixture(name="pod")
def _pod() -> Callable[..., dict[str, Any]]:
    return pod


@pytest.fixture(name="daemonset")
def _daemonset() -> Callable[..., dict[str, Any]]:
    return daemonset


@pytest.fixture(name="service")
def _service() -> Callable[..., dict[str, Any]]:
    return service


@pytest.fixture(name="definition")
def _definition() -> Callable[..., dict[str, Any]]:
    return definition
