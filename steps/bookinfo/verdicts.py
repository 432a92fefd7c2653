"""What samples of the product page show, held against what the tutorial promises of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from meshproof.analysis.observation import Observation, unless
from meshproof.analysis.strength import AlwaysDemand, EvenDemand
from meshproof.wording import NAMED, by_name, in_turn, listed, number
from steps.bookinfo.readers import JASON, Attempt
from steps.bookinfo.views import View, as_lines, decided_by

#: What is not as it should be, as it is counted.
PROBLEM = "none of a whole page"


def counted(views: Iterable[View]) -> str:
    """Say how many pages showed what."""
    return by_name(Counter(one.shown or PROBLEM for one in views))


@dataclass(frozen=True)
class PageSample:
    """Views of the product page by who viewed it, and how surely each kind of user's say so."""

    views: Mapping[str, Sequence[View]]
    demands: Mapping[str, AlwaysDemand]

    def kept(self) -> Observation:
        """All views, written down."""
        return Observation(
            details=[f"pages of {user}: {counted(views)}" for user, views in self.views.items()],
            texts={f"pages of {user}": as_lines(views) for user, views in self.views.items()},
        )

    def show(self, user: str, shown: str) -> Observation:
        """Hold the pages of a kind of user against what they must show."""
        return self._held(user, f"show {shown}", lambda one: one.shown == shown)

    def come_within(self, user: str, seconds: float) -> Observation:
        """Hold how long the pages of a kind of user took against a limit."""
        slowest = max((one.seconds for one in self.views[user]), default=0.0)
        seen = self._held(user, f"come within {seconds:g} s", lambda one: one.seconds <= seconds)
        return Observation(
            results=seen.results,
            details=[f"the slowest page of {user} took {slowest:.2f} s"],
            problems=seen.problems,
        )

    def _held(self, user: str, what: str, holds: Callable[[View], bool]) -> Observation:
        views = self.views[user]
        wrong = [one for one in views if not holds(one)]
        claim = self.demands[user].claim(len(views), len(wrong), "pages")
        told = f"Pages of {user} {what}: {claim}"
        first = f"; first: {wrong[0]}; in all: {counted(views)}" if wrong else ""
        return Observation(
            results=[f"{told}."],
            problems=unless(claim.holds, f"{user}: not all {what}: {claim}{first}"),
        )


@dataclass(frozen=True)
class ShareSample:
    """Views of the product page, of which two kinds are to come evenly."""

    views: Sequence[View]
    kinds: tuple[str, str]
    demand: EvenDemand

    def kept(self) -> Observation:
        """All views, written down."""
        return Observation(texts={"product pages": as_lines(self.views)})

    def either(self) -> Observation:
        """Hold all pages against both kinds."""
        wrong = [one for one in self.views if one.shown not in self.kinds]
        first = f", first: {wrong[0]}" if wrong else ""
        return Observation(
            details=[f"pages: {counted(self.views)}"],
            problems=unless(
                not wrong, f"{len(wrong)} of {len(self.views)} pages are neither{first}"
            ),
        )

    def even(self) -> Observation:
        """Hold the shares of both kinds against even ones, by the pages up to the decision."""
        decided = decided_by(self.views, self.demand.test, self.kinds) or len(self.views)
        seen = [one.shown for one in self.views[:decided] if one.shown in self.kinds]
        claim = self.demand.claim(seen, self.kinds, "pages with")
        return Observation(
            results=[f"Through the ingress {claim}."], problems=unless(claim.holds, str(claim))
        )


def each_seen(views: Sequence[View], kinds: Collection[str]) -> Observation:
    """Hold views against having shown each of these kinds, and nothing else."""
    seen = Counter(one.shown or PROBLEM for one in views)
    right = seen.keys() == set(kinds)
    return Observation(
        baselines=[f"Without a route {len(views)} pages showed: {counted(views)}."],
        problems=unless(right, f"{len(views)} pages showed {counted(views)}, not each of "
                               f"{listed(kinds)}"),
    )  # fmt: skip


def near_misses(
    seen: Sequence[tuple[Attempt, Sequence[View]]], his: str, others: str
) -> Observation:
    """Hold what each attempt got against what jason gets, or everyone else."""
    wrong = [
        f"{attempt.name}: {counted(views)}, not {his if attempt.is_jason else others}"
        for attempt, views in seen
        if {one.shown for one in views} != {his if attempt.is_jason else others}
    ]
    own = sum(attempt.is_jason for attempt, _ in seen)
    return Observation(
        results=[f"{own} ways of being {JASON} and {len(seen) - own} that come close: "
                 f"{len(wrong)} got what they should not."],
        texts={"what each got": "".join(f"{attempt.name}: {counted(views)}\n"
                                        for attempt, views in seen)},
        problems=[
            *unless(0 < own < len(seen), f"{own} of {len(seen)} are {JASON}"),
            *unless(not wrong, in_turn(wrong, most=NAMED)),
        ],
    )  # fmt: skip


def slow_pages(views: Sequence[View], shown: str, least: float, most: float) -> Observation:
    """Hold pages against showing this, no sooner than one time and no later than another."""
    wrong = [one for one in views if one.shown != shown or not least <= one.seconds <= most]
    took = listed(f"{one.seconds:.2f} s" for one in sorted(views, key=lambda one: one.seconds))
    return Observation(
        results=[f"{number(len(views), 'page')} showed {counted(views)}, after {took}."],
        problems=[
            *unless(views, "no page was viewed"),
            *unless(not wrong, f"{len(wrong)} of {len(views)} pages are otherwise: "
                               f"{in_turn(wrong, most=NAMED)}"),
        ],
    )  # fmt: skip
