"""A topology file as plain data, with the reader's errors in the words containerlab uses."""

from __future__ import annotations

import re
from typing import Any

import yaml

from ..common.errors import EngineError


class _Loader(yaml.SafeLoader):
    """Refuses duplicate keys, which PyYAML would let win silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str | int | float | bool):
                if key in seen:
                    raise EngineError(f'yaml: unmarshal errors:\n  line {key_node.start_mark.line + 1}: key "{key}" already set in map')
                seen.add(key)
        return super().construct_mapping(node, deep)


def load(text: str) -> Any:
    """The data of a YAML document. Raises EngineError with the line."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = re.sub(r"^expected (the )?(.*?)(, but found .*)?$", r"did not find expected \2", error.problem or "cannot be read")
        raise EngineError(f"yaml: line {mark.line + 1 if mark else 1}: {problem}") from None
    except yaml.YAMLError as error:
        raise EngineError(f"yaml: {error}") from None


def line_of(text: str, key: str) -> int:
    """The first line on which `key` stands as a mapping key (for error texts); 1 when it is not found."""
    match = re.search(rf"(?m)^.*?(?<![\w-]){re.escape(key)}[\"']?\s*:", text)
    return text.count("\n", 0, match.start()) + 1 if match else 1
