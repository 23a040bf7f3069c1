"""The embedded API against objects and tables of a real cluster (Kubernetes 1.34): data/kube/*.json.

What a client sent (kubectl keeps it in an annotation) goes through defaults, checks and allocation; the result must be what the real API
server stored. What the real API server stored must print as the real `kubectl get -o wide` printed it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from leafspine_embedded.kube import schema, tables
from leafspine_embedded.kube.admission import Rules
from leafspine_embedded.kube.objects import clone
from leafspine_embedded.kube.resources import DAEMONSETS, ENDPOINTSLICES, NAMESPACES, NODES, PODS, SERVICEACCOUNTS, SERVICES, Resource
from leafspine_embedded.kube.store import Store

DATA = Path(__file__).parent / "data" / "kube"
TABLES: dict[str, dict[str, list[Any]]] = json.loads((DATA / "tables.json").read_text())
RESOURCES = {"nodes": NODES, "pods": PODS, "services": SERVICES, "endpointslices": ENDPOINTSLICES, "daemonsets": DAEMONSETS}
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def stored(plural: str) -> dict[str, Any]:
    return {obj["metadata"]["name"]: obj for obj in json.loads((DATA / f"{plural}.json").read_text())}


@pytest.fixture
def store() -> Store:
    made = Store()
    made.admission = Rules(made, "10.96.0.0/16")
    for name in ("default", "kube-system"):
        made.create(NAMESPACES, {"metadata": {"name": name}})
        made.create(SERVICEACCOUNTS, {"metadata": {"name": "default", "namespace": name}})
    return made


def as_sent(obj: dict[str, Any]) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(obj["metadata"]["annotations"][APPLIED])
    sent["metadata"].setdefault("annotations", {})[APPLIED] = obj["metadata"]["annotations"][APPLIED]
    return sent


def server_owned(metadata: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key not in {"uid", "resourceVersion", "creationTimestamp"}}


def test_a_daemonset_is_stored_as_the_real_api_stores_it(store: Store) -> None:
    real = stored("daemonsets")["app"]
    made = store.create(DAEMONSETS, as_sent(real))
    assert made["spec"] == real["spec"]
    assert server_owned(made["metadata"]) == server_owned(real["metadata"])


def test_a_nodeport_service_is_stored_as_the_real_api_stores_it(store: Store) -> None:
    real = stored("services")["app"]
    made = store.create(SERVICES, as_sent(real))
    for field in ("clusterIP", "clusterIPs"):  # drawn from the subnet
        made["spec"][field] = real["spec"][field]
    assert made["spec"] == real["spec"] and made["status"] == real["status"]
    assert server_owned(made["metadata"]) == server_owned(real["metadata"])


@pytest.mark.parametrize("name", ["kubernetes", "kube-dns"])
def test_a_clusterip_service_that_names_its_address_comes_back_equal(store: Store, name: str) -> None:
    real = stored("services")[name]
    made = store.create(SERVICES, clone(real))
    assert made["spec"] == real["spec"]


def test_a_pod_gets_what_the_real_admission_adds(store: Store) -> None:
    real = stored("pods")["app-5cgfl"]
    sent = clone(real)
    spec = sent["spec"]
    for added in (
        "enableServiceLinks",
        "preemptionPolicy",
        "priority",
        "schedulerName",
        "dnsPolicy",
        "restartPolicy",
        "securityContext",
        "serviceAccount",
        "serviceAccountName",
        "volumes",
    ):
        del spec[added]
    for added in ("resources", "terminationMessagePath", "terminationMessagePolicy", "volumeMounts"):
        del spec["containers"][0][added]
    del spec["containers"][0]["ports"][0]["protocol"], sent["status"]
    made = store.create(PODS, sent)
    volume = made["spec"]["volumes"][0]["name"]
    assert volume.startswith("kube-api-access-") and volume != real["spec"]["volumes"][0]["name"]
    text = json.dumps(made["spec"]).replace(volume, real["spec"]["volumes"][0]["name"])
    assert json.loads(text) == real["spec"]
    assert made["status"]["qosClass"] == real["status"]["qosClass"]


@pytest.mark.parametrize("plural", sorted(RESOURCES))
def test_no_field_of_a_real_object_is_unknown(plural: str) -> None:
    for obj in stored(plural).values():
        decoded = clone(obj)
        assert schema.decode(RESOURCES[plural], decoded) == []


@pytest.mark.parametrize(("plural", "name"), [(plural, name) for plural, rows in TABLES.items() for name in rows])
def test_a_row_prints_as_the_real_kubectl_printed_it(store: Store, plural: str, name: str) -> None:
    obj = stored(plural)[name]
    res: Resource = RESOURCES[plural]
    made = tables.table(store, res, [obj], {}, "None")
    cells = made["rows"][0]["cells"]
    wanted = [name, *TABLES[plural][name]]
    ages = [index for index, column in enumerate(made["columnDefinitions"]) if column["name"] == "Age"]
    assert len(ages) == 1
    for index in ages:
        wanted[index] = cells[index]
    assert cells == wanted


def test_a_changed_object_prints_differently(store: Store) -> None:
    pod = stored("pods")["app-5cgfl"]
    pod["status"]["containerStatuses"][0].update(ready=False, state={"waiting": {"reason": "ErrImagePull"}})
    cells = tables.table(store, PODS, [pod], {}, "None")["rows"][0]["cells"]
    assert cells[1:3] == ["0/1", "ErrImagePull"]
