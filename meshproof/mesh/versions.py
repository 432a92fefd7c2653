"""Which versions of workloads rules name, and which proxies have loaded (F2)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

#: A version as labels have it, or a subset of one: `1.0`, `v1-0`.
VERSION = re.compile(r"v?(\d+)[.-](\d+)")


def versions_named(value: Any) -> set[str]:
    """Return the versions that what a rule states names, by their subsets or labels."""
    if isinstance(value, str):
        match = VERSION.fullmatch(value)
        return {f"{match[1]}.{match[2]}"} if match else set()
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sequence):
        return {version for below in value for version in versions_named(below)}
    return set()


def versions_loaded(dump: str, namespace: str) -> set[str]:
    """Return the versions of a namespace's Services that a proxy has a cluster or a route for.

    ``dump`` is what it uses now, as `in_force` puts it together. The whole of a Service is no
    version.
    """
    subsets = re.findall(rf"outbound\|\d+\|([^|]+)\|[\w-]+\.{re.escape(namespace)}\.svc\.", dump)
    return {version for subset in subsets for version in versions_named(subset)}
