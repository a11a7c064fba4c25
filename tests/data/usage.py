"""How much shared memory is in use."""

from __future__ import annotations

from manyhands import _native

SLACK = 256 << 10  # bytes that the world's own tables may take: less than most samples have


def used():
    """Bytes of shared memory in use."""
    reserved, warm, *_ = _native.usage()
    return reserved - warm
