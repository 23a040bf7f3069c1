# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read a fabric file's text and check its shape: YAML, keys, types, and each value for itself.

Whatever the text holds, the result is a document and a list of problems; nothing here raises for bad input.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils import addressing
from ansible_collections.leafspine.calico.plugins.module_utils.fabric_schema import SCHEMA

try:
    import yaml
except ImportError:  # comes with ansible-core; the import stays harmless on managed hosts
    yaml = None  # type: ignore[assignment]

try:
    import jsonschema
except ImportError:
    jsonschema = None

Path = tuple["str | int", ...]

MAX_TEXT = 300_000
MAX_VALUES = 30_000
MAX_DEPTH = 20
MAX_INTERFACE = 15
LABEL_ALLOWED = "2 - 63 lower-case letters, digits and '-', the first and last no '-'"


@dataclass(frozen=True)
class Problem:
    """Something wrong with a fabric file: where, and what was found and is allowed."""

    path: Path
    text: str

    @property
    def place(self) -> str:
        """The path as a message shows it: racks.rack0.leaves[0]."""
        return show_path(self.path)

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def show_path(path: Iterable[str | int]) -> str:
    """A path as a message shows it; the whole file is '(file)'. Keys that are no plain names are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if re.fullmatch(r"[\w./-]{1,80}", part) else addressing.shown(part)
            text += f".{name}" if text else name
    return text or "(file)"


# --- YAML ----------------------------------------------------------------------------------------------------------------


def read(text: str) -> tuple[Any, list[Problem]]:
    """The document of a YAML text, as plain Python values, and what is wrong with it as YAML (None and problems, then)."""
    if yaml is None:
        return None, [Problem((), "the Python package PyYAML is missing on the controller; needed: pip install PyYAML")]
    if len(text) > MAX_TEXT:
        return None, [Problem((), f"{len(text)} characters are more than a fabric file can have; allowed: {MAX_TEXT}")]
    if re.search("[\ud800-\udfff]", text):
        return None, [Problem((), "the text is not UTF-8; allowed: UTF-8")]
    problems: list[Problem] = []
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None, [Problem((), "the file is empty; allowed: a fabric, see ansible-doc -t inventory leafspine.calico.fabric")]
        if too_large := _too_large(node):
            return None, [Problem((), too_large)]
        problems += _bad_keys(node, ())
        return _text_keys(loader.construct_document(node)), problems
    except yaml.YAMLError as error:
        return None, [*problems, Problem((), f"not YAML: {_yaml_reason(error)}")]
    except (ValueError, OverflowError, TypeError) as error:  # a date that does not exist, an integer of 5000 digits
        return None, [*problems, Problem((), f"a value cannot be read: {str(error)[:120]}")]
    except RecursionError:
        return None, [Problem((), f"values are nested too deep; allowed: {MAX_DEPTH} levels")]


def _text_keys(value: Any) -> Any:
    """A copy of a value without the keys that are no text (they were refused, and nothing else can handle them)."""
    if isinstance(value, dict):
        return {key: _text_keys(part) for key, part in value.items() if isinstance(key, str)}
    return [_text_keys(part) for part in value] if isinstance(value, list) else value


def _yaml_reason(error: Any) -> str:
    """PyYAML's reason with line and column, without the excerpt of the file."""
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).splitlines()[0]
    context = getattr(error, "context", None)
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return f"{f'{context}: ' if context else ''}{reason}{where}"


def _too_large(root: Any) -> str:
    """Why a document is refused that aliases blow up or that holds itself, before anything walks over it; '' if it is fine."""
    count = 0
    stack = [(root, 1)]
    while stack:
        node, depth = stack.pop()
        count += 1
        if depth > MAX_DEPTH:
            return f"values are nested too deep (line {node.start_mark.line + 1}); allowed: {MAX_DEPTH} levels"
        if count > MAX_VALUES:
            return f"the file holds too many values, counting aliases; allowed: {MAX_VALUES}"
        if isinstance(node, yaml.MappingNode):
            stack.extend((part, depth + 1) for pair in node.value for part in pair)
        elif isinstance(node, yaml.SequenceNode):
            stack.extend((part, depth + 1) for part in node.value)
    return ""


def _bad_keys(node: Any, path: Path) -> Iterator[Problem]:
    """Keys that are no text, and keys that a mapping has twice (YAML would silently keep the last)."""
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _bad_keys(item, (*path, number))
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.tag != "tag:yaml.org,2002:str":
            found = addressing.shown(key.value) if isinstance(key, yaml.ScalarNode) else "a list or mapping"
            yield Problem(path, f"the key {found} (line {line}) is no text; allowed: names, in quotes where YAML reads something else")
            continue
        if key.value in lines:
            yield Problem((*path, key.value), f"appears again in line {line}, first in line {lines[key.value]}; allowed: once")
        lines[key.value] = line
        yield from _bad_keys(value, (*path, key.value))


# --- single values -------------------------------------------------------------------------------------------------------


def is_label(value: str) -> bool:
    """Whether a name is one for a host, a container and a Kubernetes node: an RFC 1123 label; VyOS wants two characters."""
    return re.fullmatch(r"[a-z0-9][a-z0-9-]{0,61}[a-z0-9]", value) is not None


def _label(value: str) -> None:
    if not is_label(value):
        raise ValueError(f"{addressing.shown(value)} is not a name; allowed: {LABEL_ALLOWED}")


def _lab_name(value: str) -> None:
    _label(value)
    if len(value) > MAX_INTERFACE:
        raise ValueError(f"{value} is too long for the management bridge ({len(value)} characters); allowed: {MAX_INTERFACE}")


def _cluster_name(value: str) -> None:
    if len(value) > 63 or not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", value) or ".." in value:
        allowed = "1 - 63 lower-case letters, digits, '.' and '-', the first and last a letter or digit"
        raise ValueError(f"{addressing.shown(value)} is not a cluster name; allowed: {allowed}")


def _bridge_prefix(value: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,7}", value):
        allowed = "1 - 8 lower-case letters, digits and '-', the first a letter"
        raise ValueError(f"{addressing.shown(value)} is not a bridge prefix; allowed: {allowed}")


def _link(value: object) -> None:
    if value is True:
        raise ValueError("true is not a link; allowed: a prefix such as 10.1.10.0/24, null (drawn from link_pool) or false (no link)")
    if isinstance(value, str):
        addressing.parse_network(value)


FORMATS: dict[str, tuple[type, Callable[[Any], object]]] = {
    "label": (str, _label),
    "lab-name": (str, _lab_name),
    "cluster-name": (str, _cluster_name),
    "bridge-prefix": (str, _bridge_prefix),
    "prefix": (str, addressing.parse_network),
    "address": (str, addressing.parse_address),
    "asn": (int, addressing.parse_asn),
    "link": (object, _link),
}

# What a value of the wrong type should have been: by the schema's format, else by its types.
_KINDS = {
    "label": "a name",
    "lab-name": "a name",
    "cluster-name": "a name",
    "bridge-prefix": "a name",
    "prefix": "a prefix such as 10.1.5.0/24",
    "address": "an address such as 10.1.5.10",
    "asn": "a whole number",
    "link": "a prefix such as 10.1.10.0/24, null or false",
}
_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


def _is_integer(_checker: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@cache
def _validator() -> Any:
    """A validator of the schema: whole numbers strict (no 1500.0, no true), our formats, our names of types."""
    base = jsonschema.Draft202012Validator
    strict = jsonschema.validators.extend(base, type_checker=base.TYPE_CHECKER.redefine("integer", _is_integer))
    formats = jsonschema.FormatChecker(formats=())
    for name, (kind, check) in FORMATS.items():

        def checked(value: object, kind: type = kind, check: Callable[[Any], object] = check) -> bool:
            if isinstance(value, kind) and (kind is not int or not isinstance(value, bool)):
                check(value)
            return True

        formats.checks(name, raises=ValueError)(checked)
    return strict(SCHEMA, format_checker=formats)


# --- the document --------------------------------------------------------------------------------------------------------


def check_shape(document: Any) -> tuple[dict[str, Any], list[Problem]]:
    """What is wrong with a document's keys and values, and the document without the wrong ones.

    The second check (fabric_checks) so also finds problems of a file whose shape is not right everywhere.
    """
    if jsonschema is None:
        return {}, [Problem((), "the Python package jsonschema is missing on the controller; needed: pip install jsonschema")]
    if not isinstance(document, dict):
        return {}, [Problem((), f"found {_found(document)}; allowed: a mapping with {', '.join(SCHEMA['required'])}")]
    problems = [Problem(path, "a number far beyond any that a fabric has; allowed: whole numbers of at most 10 digits") for path in _huge(document, ())]
    wrong: set[Path] = {problem.path for problem in problems}
    errors = list(_validator().iter_errors(_without(document, wrong, ())))
    mistyped = {tuple(error.absolute_path) for error in errors if error.validator == "type"}
    for error in errors:
        if error.validator != "type" and tuple(error.absolute_path) in mistyped:
            continue  # what a value of the wrong type lacks besides
        found, pruned = _translate(error)
        problems += found
        wrong |= set(pruned)
    return _without(document, wrong, ()), problems


def _huge(value: Any, path: Path) -> Iterator[Path]:
    """Places of whole numbers so large that Python refuses to print them; a hexadecimal number in YAML has no limit."""
    if isinstance(value, int) and value.bit_length() > 64:
        yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from _huge(part, (*path, key))


def _found(value: object) -> str:
    kinds = {dict: "a mapping", list: "a list", type(None): "nothing", bool: "true" if value is True else "false"}
    if type(value) in kinds:
        return kinds[type(value)]
    kind = "text " if isinstance(value, str) else ""
    return f"{kind}{addressing.shown(value)}"


def _translate(error: Any) -> tuple[list[Problem], list[Path]]:
    """A validation error as problems, and the paths of the values that cannot be used."""
    path: Path = tuple(error.absolute_path)
    value = error.instance
    if error.validator == "additionalProperties":
        known = sorted(error.schema["properties"])
        unknown = sorted(set(value) - set(known))
        return [Problem((*path, key), f"unknown key; allowed: {', '.join(known)}{_near(key, known)}") for key in unknown], [(*path, key) for key in unknown]
    if error.validator == "required":
        properties = error.schema["properties"]
        missing = next(key for key in error.validator_value if key not in value and f"'{key}'" in error.message)
        return [Problem((*path, missing), f"missing; needed: {_purpose(properties[missing])}")], []
    if "propertyNames" in error.absolute_schema_path:
        return [Problem((*path, value), str(error.cause))], []
    return [Problem(path, _explain(error, value))], [path]


def _explain(error: Any, value: Any) -> str:
    """What is wrong with one value."""
    if error.validator == "format":
        return str(error.cause)
    if error.validator == "type":
        return f"found {_found(value)}; allowed: {_wanted(error.schema)}"
    if error.validator in ("minimum", "maximum"):
        return f"{addressing.shown(value)} is out of range; allowed: {error.schema['minimum']} - {error.schema['maximum']}"
    if error.validator == "enum":
        return f"{addressing.shown(value)} cannot be used; allowed: {', '.join(str(one) for one in error.validator_value)}"
    if error.validator == "const":
        return f"{addressing.shown(value)} is another plugin; allowed: {error.validator_value}"
    if error.validator in ("minProperties", "minItems"):
        return "empty; allowed: at least one"
    if error.validator in ("maxProperties", "maxItems"):
        return f"{len(value)} entries are too many; allowed: {error.validator_value}"
    if error.validator == "uniqueItems":
        return "an entry appears twice; allowed: once"
    return str(error.message)[:200]


def _wanted(schema: dict[str, Any]) -> str:
    """What kind of value a schema wants."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    kind = _KINDS.get(schema.get("format", ""))
    names = [kind, *(["a mapping"] if "object" in kinds else [])] if kind else [_TYPES[kind] for kind in kinds]
    return " or ".join(names)


def _purpose(schema: dict[str, Any]) -> str:
    """A property's description, to stand inside a sentence."""
    text = str(schema["description"]).rstrip(".")
    return text[0].lower() + text[1:]


def _near(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
    return f" (did you mean {near[0]}?)" if near else ""


def _without(value: Any, wrong: set[Path], path: Path) -> Any:
    """A copy of a value without the parts at the given paths; of a spine, rack or server the name is kept."""
    if path in wrong:
        return {} if len(path) == 2 else None
    if isinstance(value, dict):
        named = path in (("spines",), ("racks",)) or (len(path) == 3 and path[0] == "racks" and path[2] == "servers")
        return {key: _without(part, wrong, (*path, key)) for key, part in value.items() if named or (*path, key) not in wrong}
    if isinstance(value, list):
        return [_without(part, wrong, (*path, number)) for number, part in enumerate(value) if (*path, number) not in wrong]
    return value
