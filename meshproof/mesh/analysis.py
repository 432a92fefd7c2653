"""What `istioctl analyze` complains of (A2)."""

from __future__ import annotations

import re

#: As in `Error [IST0101] (VirtualService voting/voting-storage) Referenced host not found`.
COMPLAINT = re.compile(r"^\w+ \[(IST\d+)\] \((\w+) (?:\S+/)?(\S+)\)", re.MULTILINE)


def complaints(printed: str) -> list[tuple[str, str]]:
    """Read what an analysis complains of: the code of each message, and its object's kind and name.

    A message without an object is none of the namespace's.
    """
    return [(code, f"{kind} {name}") for code, kind, name in COMPLAINT.findall(printed)]
