"""Which images a node has, as its container runtime lists them."""

from __future__ import annotations

from collections.abc import Sequence


def lacks(listing: str, images: Sequence[str]) -> dict[str, bool]:
    """Return which fixed names do not mean the keyed image in what ``ctr images list`` shows.

    Says of each whether it means another image; if not, there is none of that name. ``images``
    are pairs ``fixed=keyed``: a name in a manifest, and the name with the recipe's key in it that
    was loaded with it.
    """
    digests = {}
    for line in listing.splitlines()[1:]:
        words = line.split()
        if len(words) >= 3:
            digests[words[0]] = words[2]
    pairs = [pair.split("=", 1) for pair in images]
    return {
        fixed: fixed in digests
        for fixed, keyed in pairs
        if keyed not in digests or digests.get(fixed) != digests[keyed]
    }
