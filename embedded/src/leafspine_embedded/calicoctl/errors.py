"""What can go wrong, with the real tool's texts."""

from __future__ import annotations

from typing import Any


class CommandError(Exception):
    """The command failed; the text goes to standard error (or to standard output, where the real tool prints it there)."""

    def __init__(self, text: str, *, stdout: bool = False) -> None:
        super().__init__(text)
        self.stdout = stdout


class ParseError(Exception):
    """A document that is no resource; the text is what the tool shows after "failed to execute command: "."""


class ResourceError(Exception):
    """One resource could not be handled; a command collects these."""


class DoesNotExist(ResourceError):
    def __init__(self, identifier: str, cause: str = "<nil>") -> None:
        super().__init__(f"resource does not exist: {identifier} with error: {cause}")


class AlreadyExists(ResourceError):
    def __init__(self, identifier: str) -> None:
        super().__init__(f"resource already exists: {identifier}")


class UpdateConflict(ResourceError):
    def __init__(self, identifier: str) -> None:
        super().__init__(f"update conflict: {identifier}")


class NotSupported(ResourceError):
    def __init__(self, operation: str, identifier: str, reason: str = "") -> None:
        super().__init__(f"operation {operation} is not supported on {identifier}{f': {reason}' if reason else ''}")


class DatastoreError(ResourceError):
    """The API refused or could not be reached; the text is the client's."""


class Unauthorized(ResourceError):
    def __init__(self, cause: str) -> None:
        super().__init__(f"connection is unauthorized: {cause}")


class Field:
    """A field that failed validation. `tag`: the rule's name where a plain rule failed, else `reason` says why."""

    def __init__(self, name: str, value: Any = None, *, reason: str = "", tag: str = "") -> None:
        self.name = name
        self.value = value
        self.reason = f"Reason: failed to validate Field: {name} because of Tag: {tag} " if tag else reason

    def __str__(self) -> str:
        shown = self.name if self.value is None else f"{self.name} = '{go_value(self.value)}'"
        return f"{shown} ({self.reason})" if self.reason else shown


class ValidationError(ResourceError):
    def __init__(self, fields: list[Field]) -> None:
        several = "error with the following fields:\n" + "".join(f"-  {field}\n" for field in fields)
        super().__init__(several if len(fields) != 1 else f"error with field {fields[0]}")


def go_value(value: Any) -> str:
    """A value as Go's %v prints it."""
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, list):
        return "[" + " ".join(go_value(entry) for entry in value) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_value(value[key])}" for key in sorted(value)) + "]"
    return str(value)


def go_list(errors: list[ResourceError]) -> str:
    """Collected errors as Go prints a slice of them."""
    return "[" + " ".join(str(error) for error in errors) + "]"
