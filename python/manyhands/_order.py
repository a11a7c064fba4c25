"""The order in which definitions that refer to each other are shipped.

This module refuses to know what the names mean.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping


def components(edges: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Group the keys of `edges` into circles, each group after the groups that it points to.

    Names that do not point back to themselves are groups of one. Targets that are not keys are
    left out. (Tarjan's algorithm, without recursion.)

    >>> components({"f": ["g"], "g": ["f", "h"], "h": []})
    [['h'], ['f', 'g']]
    """
    search = _Search(edges)
    for name in edges:
        search.visit(name)
    return search.groups


class _Search:
    """One run of the depth-first search."""

    def __init__(self, edges: Mapping[str, Collection[str]]) -> None:
        self.groups: list[list[str]] = []
        self._edges = edges
        self._index: dict[str, int] = {}
        self._low: dict[str, int] = {}
        self._open: list[str] = []
        self._is_open: set[str] = set()

    def visit(self, start: str) -> None:
        """Search from `start`, unless it has been reached already."""
        if start in self._index:
            return
        path = [(start, self._enter(start))]
        while path:
            name, targets = path[-1]
            following = next(targets, None)
            if following is None:
                path.pop()
                self._leave(name, path[-1][0] if path else None)
            elif following not in self._index:
                path.append((following, self._enter(following)))
            elif following in self._is_open:
                self._low[name] = min(self._low[name], self._index[following])

    def _enter(self, name: str) -> Iterator[str]:
        self._index[name] = self._low[name] = len(self._index)
        self._open.append(name)
        self._is_open.add(name)
        return (target for target in self._edges[name] if target in self._edges)

    def _leave(self, name: str, parent: str | None) -> None:
        if parent is not None:
            self._low[parent] = min(self._low[parent], self._low[name])
        if self._low[name] == self._index[name]:
            # From its end: the group is there, however many wait before it.
            group = [self._open.pop()]
            while group[-1] != name:
                group.append(self._open.pop())
            group.reverse()
            self._is_open.difference_update(group)
            self.groups.append(group)
