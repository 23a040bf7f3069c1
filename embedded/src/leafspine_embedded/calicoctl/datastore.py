"""Calico's client library on the Kubernetes datastore: get, list, create, update, delete of v3 resources."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any
from urllib.parse import quote

from . import convert
from .errors import AlreadyExists, DatastoreError, DoesNotExist, Field, NotSupported, ResourceError, Unauthorized, UpdateConflict, ValidationError
from .kinds import BY_NAME, Kind, Object
from .kubeclient import ApiError, KubeClient, Unreachable
from .validation import validate, validate_default_only

_CRD = "/apis/crd.projectcalico.org/v1"


class Calico:
    """See the module text. Methods raise ResourceError."""

    def __init__(self, client: KubeClient) -> None:
        self.client = client

    # -- the API

    def _call(self, kind: Kind, name: str, namespace: str, method: str, path: str, body: Any = None) -> Object:
        identifier = kind.identifier(name, namespace)
        try:
            answer: Object = self.client.request(method, path, body)
        except Unreachable as error:
            raise DatastoreError(str(error)) from None
        except ApiError as error:
            if error.reason == "AlreadyExists":
                raise AlreadyExists(identifier) from None
            if error.code == 404:
                raise DoesNotExist(identifier, str(error)) from None
            if error.code == 409:
                raise UpdateConflict(identifier) from None
            if error.code in (401, 403):
                raise Unauthorized(str(error)) from None
            raise DatastoreError(str(error)) from None
        return answer

    @staticmethod
    def _path(kind: Kind, name: str = "") -> str:
        base = f"{_CRD}/{kind.plural}" if kind.plural else "/api/v1/nodes"
        return f"{base}/{quote(name)}" if name else base

    # -- reading

    def get(self, kind: Kind, name: str, namespace: str = "") -> Object:
        if kind.name == "WorkloadEndpoint":
            return self._endpoint(kind, name, namespace)
        answer = self._call(kind, name, namespace, "GET", self._path(kind, name))
        return convert.node_from_kubernetes(answer) if kind.name == "Node" else convert.from_stored(answer, kind)

    def _endpoint(self, kind: Kind, name: str, namespace: str) -> Object:
        for item in self.list_all(kind, namespace)["items"]:
            if item["metadata"]["name"] == name:
                found: Object = item
                return found
        pod = name.replace("--", "\0").split("-")
        shown = pod[2].replace("\0", "-") if len(pod) == 4 else name
        raise DoesNotExist(kind.identifier(name, namespace), f'pods "{shown}" not found')

    def list_all(self, kind: Kind, namespace: str = "") -> Object:
        """A v3 list object. A definition that is not there counts as an empty list, as in the real driver."""
        if kind.name == "WorkloadEndpoint":
            path = f"/api/v1/namespaces/{quote(namespace)}/pods" if namespace else "/api/v1/pods"
            answer = self._call(kind, "", namespace, "GET", path)
            items = [item for item in map(convert.endpoint_from_pod, answer.get("items") or []) if item is not None]
        elif kind.name == "Node":
            answer = self._call(kind, "", namespace, "GET", self._path(kind))
            items = [convert.node_from_kubernetes(item) for item in answer.get("items") or []]
        else:
            try:
                answer = self._call(kind, "", namespace, "GET", self._path(kind))
            except DoesNotExist:
                answer = {}
            items = [convert.from_stored(item, kind) for item in answer.get("items") or []]
        version = (answer.get("metadata") or {}).get("resourceVersion", "")
        return {"kind": f"{kind.name}List", "apiVersion": "projectcalico.org/v3", "metadata": {"resourceVersion": version}, "items": items}

    # -- writing

    def _check_write(self, kind: Kind, obj: Object, operation: str) -> None:
        name, namespace = obj["metadata"].get("name", ""), obj["metadata"].get("namespace", "")
        if kind.name == "ClusterInformation":
            raise NotSupported(operation, kind.name, "resource is readonly" if operation == "apply" else "")
        if kind.name == "WorkloadEndpoint":
            raise NotSupported(operation.capitalize(), kind.identifier(name, namespace), "pods make them in the embedded engine")
        validate(obj)
        validate_default_only(obj)

    def create(self, kind: Kind, obj: Object, *, operation: str = "create") -> Object:
        obj = copy.deepcopy(obj)
        self._check_write(kind, obj, operation if operation == "apply" else "create or apply")
        metadata = obj["metadata"]
        if metadata.get("resourceVersion"):
            raise ValidationError([Field("Metadata.ResourceVersion", metadata["resourceVersion"], reason="field must not be set for a Create request")])
        if kind.name == "Node":
            raise NotSupported("Create", kind.identifier(metadata["name"]))
        obj["metadata"] = {key: metadata[key] for key in ("name", "labels", "annotations") if key in metadata}
        obj["metadata"]["creationTimestamp"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if kind.name == "IPPool":
            self._complete_pool(obj, None)
        answer = self._call(kind, metadata["name"], "", "POST", self._path(kind), convert.to_stored(obj, kind))
        return convert.from_stored(answer, kind)

    def update(self, kind: Kind, obj: Object, *, current: Object | None = None) -> Object:
        """Replace a resource as a whole. Its resourceVersion, when it has one, must be the present one (else UpdateConflict)."""
        obj = copy.deepcopy(obj)
        self._check_write(kind, obj, "apply or replace")
        metadata = obj["metadata"]
        name = metadata["name"]
        for attempt in range(5):
            live = current if current is not None and attempt == 0 else self.get(kind, name)
            wanted = metadata.get("resourceVersion")
            if wanted and wanted != live["metadata"]["resourceVersion"]:
                raise UpdateConflict(kind.identifier(name))
            merged = {key: live["metadata"][key] for key in ("name", "uid", "resourceVersion", "creationTimestamp") if live["metadata"].get(key)}
            merged.update({key: metadata[key] for key in ("labels", "annotations") if metadata.get(key)})
            try:
                return self._put(kind, {**obj, "metadata": merged}, live)
            except UpdateConflict:
                if wanted or attempt == 4:
                    raise
        raise AssertionError("unreachable")

    def _put(self, kind: Kind, obj: Object, live: Object) -> Object:
        name = obj["metadata"]["name"]
        if kind.name == "Node":
            node = self._call(kind, name, "", "GET", self._path(kind, name))
            node["metadata"]["resourceVersion"] = obj["metadata"]["resourceVersion"]
            answer = self._call(kind, name, "", "PUT", self._path(kind, name), convert.node_into_kubernetes(obj, node))
            return convert.node_from_kubernetes(answer)
        if kind.name == "IPPool":
            self._complete_pool(obj, live)
        answer = self._call(kind, name, "", "PUT", self._path(kind, name), convert.to_stored(obj, kind))
        return convert.from_stored(answer, kind)

    def apply(self, kind: Kind, obj: Object) -> Object:
        """Create, or replace when it is there already."""
        fresh = copy.deepcopy(obj)
        fresh["metadata"].pop("resourceVersion", None)
        try:
            return self.create(kind, fresh, operation="apply")
        except AlreadyExists:
            return self.update(kind, obj)
        except NotSupported:
            if kind.name != "Node":
                raise
            return self.update(kind, obj)

    def delete(self, kind: Kind, name: str, namespace: str = "") -> None:
        if kind.name == "ClusterInformation":
            raise NotSupported("delete", kind.name)
        if kind.name in ("Node", "WorkloadEndpoint"):
            raise NotSupported("Delete", kind.identifier(name, namespace))
        self._call(kind, name, "", "GET", self._path(kind, name))
        if kind.name == "IPPool":
            self._free_pool(name)
        self._call(kind, name, "", "DELETE", self._path(kind, name))

    def _complete_pool(self, obj: Object, live: Object | None) -> None:
        """Fill in an IPPool's defaults; refuse what an existing pool cannot change and an overlap with another pool."""
        spec = obj["spec"]
        defaults = {"blockSize": 26, "nodeSelector": "all()", "ipipMode": "Never", "vxlanMode": "Never", "assignmentMode": "Automatic"}
        for key, value in defaults.items():
            if not spec.get(key):
                spec[key] = value
        if not spec.get("allowedUses"):
            spec["allowedUses"] = ["Workload", "Tunnel"]
        fields = []
        if live is not None:
            for key, name in (("cidr", "CIDR"), ("blockSize", "BlockSize")):
                if spec[key] != live["spec"].get(key, spec[key]):
                    fields.append(Field(f"IPPool.Spec.{name}", spec[key], reason=f"IPPool {name} cannot be modified"))
        else:
            network, own = IPv4Network(spec["cidr"]), obj["metadata"]["name"]
            for other in self.list_all(BY_NAME["IPPool"])["items"]:
                name, cidr = other["metadata"]["name"], other["spec"].get("cidr", "")
                if name != own and IPv4Network(cidr).overlaps(network):
                    why = f"IPPool({own}) CIDR overlaps with IPPool({name}) CIDR {cidr}"
                    fields.append(Field("IPPool.Spec.CIDR", spec["cidr"], reason=why))
        if fields:
            raise ValidationError(fields)

    def _free_pool(self, name: str) -> None:
        """Take a pool's empty blocks away before the pool goes, so that none is left without a pool. Blocks in use stay, as in Calico."""
        kind = BY_NAME["IPPool"]
        pool = self.get(kind, name)
        if not pool["spec"].get("disabled"):
            pool["spec"]["disabled"] = True
            self.update(kind, pool)
        network = IPv4Network(pool["spec"]["cidr"])
        for block in self.stored("ipamblocks"):
            cidr = IPv4Network(block["spec"]["cidr"])
            if cidr.subnet_of(network) and all(index is None for index in block["spec"].get("allocations") or []):
                owner = str(block["spec"].get("affinity") or "").removeprefix("host:")
                self._remove("ipamblocks", block["metadata"]["name"])
                self._remove("blockaffinities", f"{owner}-{block['metadata']['name']}")

    def _remove(self, plural: str, name: str) -> None:
        try:
            self.client.request("DELETE", f"{_CRD}/{plural}/{quote(name)}")
        except ApiError as error:
            if error.code != 404:
                raise DatastoreError(str(error)) from None
        except Unreachable as error:
            raise DatastoreError(str(error)) from None

    # -- IPAM's own objects

    def stored(self, plural: str) -> list[Object]:
        """Custom resources as they are stored (ipamblocks, ipamhandles, ...)."""
        try:
            items: list[Object] = self.client.request("GET", f"{_CRD}/{plural}").get("items") or []
        except ApiError as error:
            if error.code == 404:
                return []
            raise DatastoreError(str(error)) from None
        except Unreachable as error:
            raise DatastoreError(str(error)) from None
        return items

    def ensure_initialised(self) -> None:
        """Make ClusterInformation when there is none, as every write of the real tool does. A refusal is not the caller's problem."""
        import uuid

        kind = BY_NAME["ClusterInformation"]
        body = {"clusterGUID": uuid.uuid4().hex, "datastoreReady": True}
        try:
            self.get(kind, "default")
        except DoesNotExist:
            stored = convert.to_stored({"metadata": {"name": "default"}, "spec": body}, kind)
            try:
                self._call(kind, "default", "", "POST", self._path(kind), stored)
            except ResourceError:
                return
        except ResourceError:
            return

    def set_ready(self, ready: bool) -> None:
        """`datastore migrate lock` and `unlock`."""
        kind = BY_NAME["ClusterInformation"]
        self.ensure_initialised()
        stored = self._call(kind, "default", "", "GET", self._path(kind, "default"))
        stored["spec"]["datastoreReady"] = ready
        self._call(kind, "default", "", "PUT", self._path(kind, "default"), stored)
