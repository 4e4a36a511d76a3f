"""YAML as settings need it: every name once, and no deeper than settings are."""

from collections import Counter
from typing import Any

import yaml

# Settings are three deep. Nesting without bound takes seconds before it ends in Python's limit of recursion.
_DEEPEST = 30


class Loader(yaml.SafeLoader):
    """Refuses what `SafeLoader` would take: of a name that stands twice, it believes the last."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Composes a node.

        Raises:
            MarkedYAMLError: If it lies too deep.
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
            MarkedYAMLError: If a name stands twice.
        """
        node = super().compose_mapping_node(anchor)
        names = Counter(str(key.value) for key, _ in node.value)
        name, times = max(names.items(), key=lambda item: item[1], default=("", 0))
        if times > 1:
            raise yaml.MarkedYAMLError(problem=f"{name} stands there twice", problem_mark=node.start_mark)
        return node
