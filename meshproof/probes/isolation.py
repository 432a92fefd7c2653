"""The isolation matrix: who may call whom while both stacks run, and what came of calls (C6).

The tutorial's diagram stands in the suite's file, as `calls`; all that is expected follows from
it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from meshproof.analysis.observation import Observation
from meshproof.mesh.access_log import Sent
from meshproof.probes.calls import Answer, Call
from meshproof.suite.model import Arrow, Suite

#: A workload of the harness that anyone may call: the baseline of who may call nobody else.
BASELINE = "probe-baseline 1.0"
#: Envoy's flags of a call that its proxy had nowhere to send to.
NOWHERE = {"NR": "no route", "UH": "no endpoint"}
#: Who answers where nobody does, and where that cannot be said.
NOBODY, UNCLEAR = "nobody", "unclear"


@dataclass(frozen=True)
class Name:
    """A name to call somebody by: the host, the protocol, and the workloads that it leads to.

    ``arrows`` are the calls that may be made.
    """

    title: str
    call: Call
    behind: tuple[str, ...]
    arrows: frozenset[Arrow] = frozenset()

    def expected(self, source: str) -> str:
        """Who is to answer a workload that calls this name, or ``NOBODY``."""
        answering = [w for w in self.behind if w == BASELINE or (source, w) in self.arrows]
        return answering[0] if answering else NOBODY


def tutorials_names(suite: Suite) -> tuple[Name, ...]:
    """Return the tutorial's own names. Which version answers is the mesh's to decide."""
    behind: dict[tuple[str, str, int], list[str]] = {}
    for one in suite.workloads:
        behind.setdefault((one.app, one.protocol, one.port), []).append(one.name)
    return tuple(
        Name(f"{app}:{port}", Call(app, protocol), tuple(names), suite.arrows())
        for (app, protocol, port), names in behind.items()
    )


@dataclass(frozen=True)
class Cell:
    """A call from a workload to a name, and all that is known of it.

    ``sent`` is what the caller's proxy did with it, ``reached`` the workload that it was sent
    to ("" for nowhere), and ``counted`` whether the proxies that it reached counted a denial
    for it.
    """

    source: str
    name: Name
    answer: Answer
    sent: Sent
    reached: str
    counted: bool

    @property
    def expected(self) -> str:
        """Who is to answer."""
        return self.name.expected(self.source)

    @property
    def anyones(self) -> bool:
        """Whether it is a call to the workload that anyone may call."""
        return BASELINE in self.name.behind

    @property
    def seen(self) -> str:
        """Who answered; ``NOBODY`` where it was denied, by the server or for want of a way."""
        if self.answer.served:
            return self.reached
        return NOBODY if self.denied or self.nowhere else UNCLEAR

    @property
    def denied(self) -> bool:
        """Whether the server's proxy denied it, and counted that."""
        return bool(self.reached) and self.answer.refused and self.counted

    @property
    def nowhere(self) -> bool:
        """Whether the caller's own proxy had no way, so that nobody got a byte of it."""
        return not self.reached and self.sent.flags in NOWHERE

    @property
    def differs(self) -> bool:
        """Whether it came otherwise than it should."""
        return self.seen != self.expected

    @property
    def how(self) -> str:
        """What was seen, in a few words."""
        if self.nowhere:
            return f"{self.answer}, {NOWHERE[self.sent.flags]}"
        if self.answer.served:
            return str(self.answer)
        return f"{self.answer}, {'counted' if self.counted else 'not counted'}"

    def __str__(self) -> str:
        """Return the cell in a line."""
        return (
            f"{self.source} → {self.name.title}: expected {self.expected}, "
            f"seen {self.seen} ({self.how})"
        )


def refused_at(pods: Mapping[str, str], calls: Iterable[tuple[Answer, Sent]]) -> Counter[str]:
    """Count, by pod, the calls that were sent to it and came back as from a policy that denies.

    ``pods`` are by address.
    """
    return Counter(pods[sent.to] for answer, sent in calls if sent.to in pods and answer.refused)


def differing(cells: Sequence[Cell]) -> list[str]:
    """Say how many cells came otherwise than they should, and which; empty for none."""
    lines = [str(cell) for cell in cells if cell.differs]
    return [f"{len(lines)} of {len(cells)} differ", *lines] if lines else []


def summary(cells: Sequence[Cell]) -> str:
    """Put a matrix in numbers: who was answered and who was not, and in what ways."""
    parts = []
    for what, chosen in (
        ("that may be answered were", [cell for cell in cells if cell.expected != NOBODY]),
        ("that may not were denied", [cell for cell in cells if cell.expected == NOBODY]),
    ):
        if chosen:
            ways = Counter(f"{cell.name.call.protocol} {cell.how}" for cell in chosen)
            listed = "; ".join(f"{count} {way}" for way, count in sorted(ways.items()))
            right = sum(not cell.differs for cell in chosen)
            parts.append(f"{right} of {len(chosen)} {what} ({listed})")
    return f"{len(cells)} calls: {', '.join(parts)}"


def table(cells: Sequence[Cell]) -> str:
    """Draw cells as a table: a row for each source, and what is expected beside what was seen."""
    titles = list(dict.fromkeys(cell.name.title for cell in cells))
    sources = list(dict.fromkeys(cell.source for cell in cells))
    by_place = {(cell.source, cell.name.title): cell for cell in cells}
    lines = [
        ["from \\ to", *map(_short, titles)],
        *(
            [_short(source), *(_drawn(by_place[source, title]) for title in titles)]
            for source in sources
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = (
        "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
    legend = "who is expected to answer | who was seen to (what came back); -: nobody"
    return "\n".join([legend, "", *rows]) + "\n"


def _short(name: str) -> str:
    return "-" if name == NOBODY else name.removeprefix("voting-").removeprefix("probe-")


def _drawn(cell: Cell) -> str:
    mark = "≠" if cell.differs else "|"
    return f"{_short(cell.expected)} {mark} {_short(cell.seen)} ({cell.how})"


def not_as_expected(cells: Iterable[Cell]) -> str:
    """Say which cells came otherwise than they should; empty where there are some, and none did."""
    chosen = list(cells)
    return "\n".join(differing(chosen) if chosen else ["no call was made"])


def not_denied(cells: Iterable[Cell]) -> str:
    """Say which cells the server's proxy did not deny and count; empty where it did all of them."""
    chosen = list(cells)
    return not_as_expected(chosen) or "\n".join(str(one) for one in chosen if not one.denied)


def drawn(what: str, cells: Sequence[Cell]) -> Observation:
    """Draw cells, and put them in numbers."""
    lines = "".join(f"{cell}\n" for cell in cells)
    return Observation(
        results=[f"Calls {what}: {summary(cells)}."],
        texts={f"matrix {what}": f"{table(cells)}\n{lines}"},
    )


def drawn_beside_baseline(what: str, cells: Sequence[Cell]) -> Observation:
    """Draw cells as `drawn` does, those to the workload that anyone may call apart."""
    anyones = [cell for cell in cells if cell.anyones]
    return replace(
        drawn(what, [cell for cell in cells if not cell.anyones]),
        baselines=[f"A workload that anyone may call: {summary(anyones)}."],
    )
