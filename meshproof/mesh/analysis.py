"""What `istioctl analyze` complains of (A2)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from meshproof.analysis.observation import Observation, unless
from meshproof.wording import number

NOTHING_FOUND = "No validation issues found"
#: As in `Error [IST0101] (VirtualService shop/web) Referenced host not found`.
COMPLAINT = re.compile(r"^\w+ \[(IST\d+)\] \((\w+) (?:\S+/)?(\S+)\)", re.MULTILINE)


def complaints(printed: str) -> list[tuple[str, str]]:
    """Read what an analysis complains of: the code of each message, and its object's kind and name.

    A message without an object is none of the namespace's.
    """
    return [(code, f"{kind} {name}") for code, kind, name in COMPLAINT.findall(printed)]


def nothing_found(printed: str) -> Observation:
    """Hold an analysis against one that finds nothing at all."""
    return Observation(
        results=[f"istioctl analyze says: {' '.join(printed.split())}"],
        problems=unless(NOTHING_FOUND in printed, printed or "istioctl analyze printed nothing"),
    )


def nothing_else(printed: str, known: Sequence[Sequence[str]]) -> Observation:
    """Hold an analysis against the messages that it may have: rows of a code and an object."""
    found, allowed = complaints(printed), {(code, of) for code, of in known}
    others = [" ".join(one) for one in found if one not in allowed]
    return Observation(
        results=[
            f"istioctl analyze complains of {number(len(found), 'thing')}, "
            f"{len(others)} of them of anything else."
        ],
        details=[f"istioctl analyze: {', '.join(map(' '.join, found))}"],
        problems=[
            *unless(found or NOTHING_FOUND in printed, printed or "it printed nothing"),
            *unless(not others, f"{number(len(others), 'other complaint')}: {'; '.join(others)}"),
        ],
    )


def all_known(printed: str, known: Sequence[Sequence[str]]) -> Observation:
    """Hold an analysis against the messages that it must have: rows of a code and an object."""
    found = complaints(printed)
    gone = [" ".join(one) for one in known if tuple(one) not in found]
    return Observation(
        results=[f"istioctl analyze complains of {len(known) - len(gone)} of {len(known)}."],
        problems=unless(
            not gone, f"it does not complain of {len(gone)} of {len(known)}: {'; '.join(gone)}"
        ),
    )
