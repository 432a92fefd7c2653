"""What samples of the product page show, held against what the tutorial promises of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from meshproof.analysis.observation import Observation, unless
from meshproof.analysis.strength import AlwaysDemand, EvenDemand
from meshproof.wording import NAMED, by_name, in_turn, listed
from steps.bookinfo.readers import JASON, Attempt
from steps.bookinfo.views import View, as_lines, decided_by

#: Seconds by which a timer may be early.
EARLY = 0.05
#: What is not as it should be, as it is counted.
PROBLEM = "none of a whole page"


def counted(views: Iterable[View]) -> str:
    """Say how many pages showed what."""
    return by_name(Counter(one.shown or PROBLEM for one in views))


@dataclass(frozen=True)
class PageSample:
    """Views of the product page by who viewed it, and how surely each kind of user's say so.

    Those of a user without a demand stand for no others.
    """

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

    def come(self, user: str, least: float, most: float) -> Observation:
        """Hold how long the pages of a kind of user took against two limits, in seconds."""
        took = sorted(one.seconds for one in self.views[user]) or [0.0]
        seen = self._held(
            user,
            f"come within {least:g} to {most:g} s",
            lambda one: least - EARLY <= one.seconds <= most,
        )
        return Observation(
            results=seen.results,
            details=[f"pages of {user} took {took[0]:.2f} to {took[-1]:.2f} s"],
            problems=seen.problems,
        )

    def _held(self, user: str, what: str, holds: Callable[[View], bool]) -> Observation:
        views, demand = self.views[user], self.demands.get(user)
        wrong = [one for one in views if not holds(one)]
        if demand:
            claim = demand.claim(len(views), len(wrong), "pages")
            right, said = claim.holds, str(claim)
        else:
            right, said = bool(views) and not wrong, f"{len(wrong)} of {len(views)} pages do not"
        first = f"; first: {wrong[0]}; in all: {counted(views)}" if wrong else ""
        return Observation(
            results=[f"Pages of {user} {what}: {said}."],
            problems=unless(right, f"{user}: not all {what}: {said}{first}"),
        )


@dataclass(frozen=True)
class ShareSample:
    """Views of the product page, of which two kinds are to come evenly."""

    views: Sequence[View]
    demand: EvenDemand

    def kept(self) -> Observation:
        """All views, written down."""
        return Observation(texts={"product pages": as_lines(self.views)})

    def show(self, users: str, shown: str) -> Observation:
        """Hold all pages against kinds: `starless reviews or red stars`, say."""
        wrong = [one for one in self.views if one.shown not in shown.split(" or ")]
        first = f", first: {wrong[0]}" if wrong else ""
        return Observation(
            details=[f"pages of {users}: {counted(self.views)}"],
            problems=unless(
                self.views and not wrong,
                f"{len(wrong)} of {len(self.views)} pages are neither{first}",
            ),
        )

    def even(self, one: str, other: str) -> Observation:
        """Hold the shares of two kinds against even ones, by the pages up to the decision."""
        kinds = (one, other)
        decided = decided_by(self.views, self.demand.test, kinds) or len(self.views)
        seen = [view.shown for view in self.views[:decided] if view.shown in kinds]
        claim = self.demand.claim(seen, kinds, "pages with")
        return Observation(
            results=[f"Through the ingress {claim}."], problems=unless(claim.holds, str(claim))
        )


@dataclass(frozen=True)
class Attempts:
    """Ways of being jason, and of coming close to it, with the pages that each got."""

    seen: Sequence[tuple[Attempt, Sequence[View]]]

    def show(self, users: str, shown: str) -> Observation:
        """Hold what jason got, or what others got who came close, against what it must show."""
        some = [one for one in self.seen if one[0].is_jason is (users == JASON)]
        wrong = [
            f"{attempt.name}: {counted(views)}, not {shown}"
            for attempt, views in some
            if {one.shown for one in views} != {shown}
        ]
        return Observation(
            results=[f"{len(wrong)} of {len(some)} ways to ask as {users} got other than {shown}."],
            texts={f"what {users} got": "".join(f"{attempt.name}: {counted(views)}\n"
                                                for attempt, views in some)},
            problems=[
                *unless(some, f"nobody asked as {users}"),
                *unless(not wrong, in_turn(wrong, most=NAMED)),
            ],
        )  # fmt: skip


def each_seen(views: Sequence[View], kinds: Collection[str]) -> Observation:
    """Hold views against having shown each of these kinds, and nothing else."""
    seen = Counter(one.shown or PROBLEM for one in views)
    right = seen.keys() == set(kinds)
    return Observation(
        baselines=[f"Without a route {len(views)} pages showed: {counted(views)}."],
        problems=unless(right, f"{len(views)} pages showed {counted(views)}, not each of "
                               f"{listed(kinds)}"),
    )  # fmt: skip
