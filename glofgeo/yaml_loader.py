"""YAML for settings: every name once, and nested no deeper than settings are."""

from collections import Counter
from typing import Any

import yaml

# Settings are nested three deep. Unlimited nesting takes seconds before it reaches the recursion limit of Python.
_DEEPEST = 30


class Loader(yaml.SafeLoader):
    """Refuses a name that occurs twice, of which `SafeLoader` would silently take the last value."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Composes a node.

        Raises:
            MarkedYAMLError: If it is nested too deep.
        """
        if self.depth > _DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"nested more than {_DEEPEST} deep")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        """Composes named values.

        Raises:
            MarkedYAMLError: If a name occurs twice.
        """
        node = super().compose_mapping_node(anchor)
        names = Counter(str(key.value) for key, _ in node.value)
        name, times = max(names.items(), key=lambda item: item[1], default=("", 0))
        if times > 1:
            raise yaml.MarkedYAMLError(problem=f"{name} occurs twice", problem_mark=node.start_mark)
        return node
