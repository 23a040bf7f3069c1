"""What the API refuses, as exceptions that carry a Kubernetes Status.

The texts follow k8s.io/apimachinery/pkg/api/errors: clients (kubectl, kubernetes.core) show them to people and compare `reason`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leafspine_embedded.kube.resources import Resource


class ApiError(Exception):
    """A refusal: HTTP `code`, machine-readable `reason`, text, and `details` (kind, group, name, causes)."""

    code = 500
    reason = "InternalError"

    def __init__(self, message: str, *, code: int | None = None, reason: str | None = None, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.code if code is None else code
        self.reason = self.reason if reason is None else reason
        self.details = details

    def status(self) -> dict[str, Any]:
        """The Status object that goes over the wire."""
        body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message, "reason": self.reason}
        if self.details:
            body["details"] = self.details
        body["code"] = self.code
        return body


def _details(res: Resource, name: str, **more: Any) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if res.group:
        details["group"] = res.group
    details["kind"] = res.plural
    details.update(more)
    return details


class BadRequest(ApiError):
    """The request itself makes no sense (400)."""

    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    """No valid credentials (401)."""

    code, reason = 401, "Unauthorized"


class NotFound(ApiError):
    """`pods "x" not found` (404)."""

    code, reason = 404, "NotFound"

    def __init__(self, res: Resource, name: str) -> None:
        super().__init__(f'{res.qualified} "{name}" not found', details=_details(res, name))


class PathNotFound(ApiError):
    """A path that this server does not serve (404)."""

    code, reason = 404, "NotFound"

    def __init__(self) -> None:
        super().__init__("the server could not find the requested resource", details={})


class AlreadyExists(ApiError):
    """`pods "x" already exists` (409)."""

    code, reason = 409, "AlreadyExists"

    def __init__(self, res: Resource, name: str) -> None:
        super().__init__(f'{res.qualified} "{name}" already exists', details=_details(res, name))


class Conflict(ApiError):
    """The object changed since the caller read it, or a precondition failed (409)."""

    code, reason = 409, "Conflict"

    STALE = "the object has been modified; please apply your changes to the latest version and try again"

    def __init__(self, res: Resource, name: str, why: str = STALE) -> None:
        super().__init__(f'Operation cannot be fulfilled on {res.qualified} "{name}": {why}', details=_details(res, name))


class Forbidden(ApiError):
    """Known, but not allowed (403)."""

    code, reason = 403, "Forbidden"

    def __init__(self, res: Resource, name: str, why: str) -> None:
        quoted = f'{res.qualified} "{name}"' if name else res.qualified
        super().__init__(f"{quoted} is forbidden: {why}", details=_details(res, name))


class Expired(ApiError):
    """A watch asked for history that is gone (410)."""

    code, reason = 410, "Expired"

    def __init__(self, wanted: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {wanted} ({oldest})")


class MethodNotAllowed(ApiError):
    """The resource has no such verb (405)."""

    code, reason = 405, "MethodNotAllowed"

    def __init__(self) -> None:
        super().__init__("the server does not allow this method on the requested resource", details={})


class UnsupportedMediaType(ApiError):
    """A body or a patch of a type that is not understood (415)."""

    code, reason = 415, "UnsupportedMediaType"


class FieldError(Exception):
    """One cause of an Invalid: where (`spec.ports[0].port`), which reason, and the text a person reads."""

    def __init__(self, field: str, reason: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.reason = reason
        self.message = message

    @classmethod
    def required(cls, field: str, why: str = "") -> FieldError:
        return cls(field, "FieldValueRequired", "Required value" + (f": {why}" if why else ""))

    @classmethod
    def invalid(cls, field: str, value: Any, why: str) -> FieldError:
        return cls(field, "FieldValueInvalid", f"Invalid value: {go_value(value)}: {why}")

    @classmethod
    def unsupported(cls, field: str, value: Any, allowed: list[str]) -> FieldError:
        choices = ", ".join(f'"{choice}"' for choice in allowed)
        return cls(field, "FieldValueNotSupported", f"Unsupported value: {go_value(value)}: supported values: {choices}")

    @classmethod
    def duplicate(cls, field: str, value: Any) -> FieldError:
        return cls(field, "FieldValueDuplicate", f"Duplicate value: {go_value(value)}")

    @classmethod
    def forbidden(cls, field: str, why: str) -> FieldError:
        return cls(field, "FieldValueForbidden", f"Forbidden: {why}")


class Invalid(ApiError):
    """The object breaks a rule (422); `details.causes` names every field."""

    code, reason = 422, "Invalid"

    def __init__(self, res: Resource, name: str, errors: list[FieldError]) -> None:
        texts = [str(error) for error in errors]
        joined = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
        shown = f"{res.kind}.{res.group}" if res.group else res.kind
        causes = [{"reason": error.reason, "message": error.message, "field": error.field} for error in errors]
        details = _details(res, name, causes=causes)
        details["kind"] = res.kind
        super().__init__(f'{shown} "{name}" is invalid: {joined}', details=details)


def go_value(value: Any) -> str:
    """A value as Go's %#v prints it in field errors: strings quoted, the rest as JSON-like text."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    import json

    return json.dumps(value, separators=(",", ":"))
