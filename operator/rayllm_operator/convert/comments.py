"""The comments of a YAML text, for where the text itself could not be kept."""

from collections import defaultdict

import yaml

from rayllm_operator.convert.tree import Tree


def comments(tree: Tree) -> list[str]:
    """Return the comments of a text, each from its ``#`` on, in their order."""
    ends, inside = _scalars(tree)
    found = []
    for number, line in enumerate(tree.source.text.splitlines()):
        if number in inside:
            continue
        tail = line[max(ends[number], default=0) :]
        if "#" in tail:
            found.append(tail[tail.index("#") :].rstrip())
    return found


def _scalars(tree: Tree) -> tuple[dict[int, list[int]], set[int]]:
    """Return the columns where scalars end, by line, and the lines that lie within a scalar."""
    ends: dict[int, list[int]] = defaultdict(list)
    inside: set[int] = set()
    nodes = [node for entry in tree.entries.values() for node in (entry.key, entry.value)]
    for node in nodes:
        if isinstance(node, yaml.ScalarNode):
            ends[node.end_mark.line].append(node.end_mark.column)
            # A block's own first line may carry a comment, the other lines are its text.
            is_block = node.style in ("|", ">")
            inside.update(range(node.start_mark.line + is_block, node.end_mark.line))
    return ends, inside
