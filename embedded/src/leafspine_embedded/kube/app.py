"""The API as an HTTP application: who asks, what for, which handler answers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web

from leafspine_embedded.kube import auth, discovery, openapi, reviews, streams, wire
from leafspine_embedded.kube.errors import ApiError, MethodNotAllowed, PathNotFound, Unauthorized
from leafspine_embedded.kube.handlers import Handlers
from leafspine_embedded.kube.resources import NODES, PODS, SERVICEACCOUNTS
from leafspine_embedded.kube.watching import Stream

if TYPE_CHECKING:
    from leafspine_embedded.kube.admission import Rules
    from leafspine_embedded.kube.context import ClusterContext
    from leafspine_embedded.kube.store import Store

log = logging.getLogger(__name__)

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_REVIEWS = {(group, plural) for group, _, plural in discovery.REVIEWS}


class Api:
    """`handle` answers every request. `address` is the server's host:port; `token_key` signs service account tokens."""

    def __init__(self, store: Store, rules: Rules, context: ClusterContext, address: str, token_key: bytes) -> None:
        self._store = store
        self._context = context
        self._address = address
        self._token_key = token_key
        self._handlers = Handlers(store, rules)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request; never raises but for cancellation."""
        try:
            return await self._answer(request)
        except ApiError as error:
            return wire.failure(error)
        except (ConnectionResetError, ConnectionError):
            raise
        except Exception:
            log.exception("%s %s", request.method, request.path)
            return wire.failure(ApiError("Internal error occurred: see the API server's log", details={}))

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path.rstrip("/") or "/"  # some clients ask for /version/ and /apis/
        if path in auth.OPEN_PATHS and request.method in {"GET", "HEAD"}:
            return self._open(path)
        user = self._user(request)
        parts = [part for part in path.split("/") if part]
        if len(parts) == 4 and parts[0] == "apis" and (parts[1], parts[3]) in _REVIEWS:
            if request.method != "POST":
                raise MethodNotAllowed
            return wire.answer(reviews.review(self._store, user, parts[3], await wire.body(request)), 201)
        if parts[:1] not in (["api"], ["apis"]) or len(parts) < (3 if parts[0] == "api" else 4):
            auth.require_path(self._store, user, _VERBS.get(request.method, "").replace("create", "post"), path)
            return self._document(request, parts)
        target = wire.parse_path(self._store.registry, path)
        self._authorize(request, user, target)
        if target.subresource and target.subresource != "status":
            return await self._subresource(request, target)
        return await self._resource(request, target)

    def _open(self, path: str) -> web.Response:
        if path == "/version":
            return wire.answer(discovery.version_info(self._context.version))
        if path == "/readyz" and not all("nodeInfo" in node.get("status", {}) for node in self._store.scan(NODES)):
            return web.Response(text="nodes have not reported yet", status=500)
        return web.Response(text="ok")

    def _user(self, request: web.BaseRequest) -> auth.User:
        """Raises Unauthorized."""
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme:
            user = auth.from_token(self._store, self._token_key, value.strip()) if scheme.lower() == "bearer" else None
        else:
            transport = request.transport
            user = auth.from_certificate(transport.get_extra_info("peercert") if transport is not None else None)
        if user is None:
            raise Unauthorized("Unauthorized")
        other = request.headers.get("Impersonate-User", "")
        if other:
            return auth.impersonate(self._store, user, other, request.headers.getall("Impersonate-Group", []))
        return user

    def _authorize(self, request: web.BaseRequest, user: auth.User, target: wire.Target) -> None:
        verb = _VERBS.get(request.method)
        if verb is None:
            raise MethodNotAllowed
        if verb == "get" and not target.subresource:
            if wire.flag(request.query, "watch"):
                verb = "watch"
            elif not target.name:
                verb = "list"
        elif verb == "delete" and not target.name:
            verb = "deletecollection"
        elif target.subresource == "exec":
            verb = "create"
        auth.require(self._store, user, verb, target.resource, target.subresource, target.namespace, target.name)

    def _document(self, request: web.BaseRequest, parts: list[str]) -> web.Response:
        """Discovery and OpenAPI. Raises PathNotFound, MethodNotAllowed."""
        if request.method not in {"GET", "HEAD"}:
            raise MethodNotAllowed
        registry, accept = self._store.registry, request.headers.get("Accept", "")
        if parts in (["api"], ["apis"]):
            core = parts == ["api"]
            if wire.negotiate(accept, aggregated=True).kind == "Aggregated":
                return wire.answer(discovery.aggregated(registry, core), media="application/json;" + discovery.AGGREGATED)
            return wire.answer(discovery.api_versions(self._address) if core else discovery.group_list(registry))
        if parts == ["api", "v1"]:
            return wire.answer(discovery.resource_list(registry, "", "v1"))
        if parts[:1] == ["apis"] and len(parts) == 2:
            return wire.answer(discovery.group(registry, parts[1]))
        if parts[:1] == ["apis"] and len(parts) == 3:
            return wire.answer(discovery.resource_list(registry, parts[1], parts[2]))
        if parts[:1] == ["openapi"]:
            wire.negotiate(accept)
            return wire.answer(self._openapi(parts[1:]))
        if not parts:
            return wire.answer({"paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]})
        raise PathNotFound

    def _openapi(self, parts: list[str]) -> object:
        if parts == ["v2"]:
            return openapi.v2(self._store)
        if parts == ["v3"]:
            return openapi.index(self._store)
        if parts[:2] == ["v3", "api"] and len(parts) == 3:
            return openapi.v3(self._store, "", parts[2])
        if parts[:2] == ["v3", "apis"] and len(parts) == 4:
            return openapi.v3(self._store, parts[2], parts[3])
        raise PathNotFound

    async def _resource(self, request: web.BaseRequest, target: wire.Target) -> web.StreamResponse:
        method, query = request.method, request.query
        shape = wire.negotiate(request.headers.get("Accept", ""))
        if method in {"GET", "HEAD"}:
            if wire.flag(query, "watch"):
                return await Stream(self._store, self._handlers, target, query, shape).run(request)
            return self._handlers.get(target, query, shape) if target.name else self._handlers.listing(target, query, shape)
        body = await wire.body(request)
        if method == "POST" and not target.name:
            if target.resource.namespaced and not target.namespace:
                raise MethodNotAllowed
            return self._handlers.create(target, body, query, shape)
        if method == "DELETE":
            return self._handlers.delete(target, body, query) if target.name else self._handlers.delete_collection(target, body, query)
        if method == "PUT" and target.name:
            return self._handlers.update(target, body, query, shape)
        if method == "PATCH" and target.name:
            media = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            return self._handlers.patch(target, body, media, query, shape)
        raise MethodNotAllowed

    async def _subresource(self, request: web.BaseRequest, target: wire.Target) -> web.StreamResponse:
        place, method = (target.resource.key, target.subresource), request.method
        if place == (PODS.key, "log") and method == "GET":
            return await streams.logs(request, self._store, self._context, target)
        if place == (PODS.key, "exec") and method in {"GET", "POST"}:
            return await streams.execute(request, self._store, self._context, target)
        if place in {(PODS.key, "attach"), (PODS.key, "portforward")}:
            raise ApiError(f"{target.subresource} is not supported by the embedded engine", code=501, reason="NotImplemented", details={})
        if method == "POST":
            body = await wire.body(request)
            if place == (PODS.key, "binding"):
                return wire.answer(reviews.bind(self._store, target, body), 201)
            if place == (PODS.key, "eviction"):
                return wire.answer(reviews.evict(self._store, target, body), 201)
            if place == (SERVICEACCOUNTS.key, "token"):
                return wire.answer(reviews.token(self._store, self._token_key, target, body), 201)
        if place == (("", "namespaces"), "finalize") and method == "PUT":
            return wire.answer(self._store.get(target.resource, None, target.name))
        raise PathNotFound
