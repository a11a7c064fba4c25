"""Rings in a graph of modules: every ring, as the shortest way from a module back to itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

Graph = dict[str, set[str]]


def rings(graph: Mapping[str, AbstractSet[str]]) -> list[list[str]]:
    """Return each ring once, beginning and ending with its alphabetically first module."""
    found = {tuple(_rotated(ring)) for node in graph if (ring := _way_back(graph, node))}
    return [[*ring, ring[0]] for ring in sorted(found)]


def _way_back(graph: Mapping[str, AbstractSet[str]], start: str) -> list[str] | None:
    """Search breadth first for the shortest way from `start` to itself."""
    ways = [[start]]
    seen: set[str] = set()
    for way in ways:  # grows while it is walked
        for target in sorted(graph.get(way[-1], ())):
            if target == start:
                return way
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return None


def _rotated(ring: list[str]) -> list[str]:
    first = ring.index(min(ring))
    return ring[first:] + ring[:first]
