"""Samples of pages and of analytics' answers, by where they came from, and what they show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from meshproof.analysis.observation import Observation, unless
from meshproof.analysis.sampling import AlwaysClaim, Budget
from meshproof.analysis.strength import AlwaysDemand, Demands, EvenDemand
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import listed
from steps.voting.ballots import told
from steps.voting.views import (
    View,
    as_lines,
    deviations,
    sample_analytics,
    sample_at_once,
    sample_evenly,
)
from steps.voting.voting_app import USERS, VotingApp
from steps.voting.voting_page import NAMED_IN_QUOTES

APP, INGRESS = "voting-app", "the ingress"
APP_PODS = "the app pods"


@dataclass(frozen=True)
class AlwaysSample:
    """Views by their source, and what their number is made for; ``noun`` says what they are.

    Sources are kinds of users; or pods, which are asked about together, as ``APP_PODS``.
    """

    views: dict[str, list[View]]
    demand: AlwaysDemand
    noun: str

    def kept(self) -> Observation:
        """All views, written down."""
        return _kept(self.views, self.noun)

    def show(self, users: str, shown: str) -> Observation:
        """Hold answers against a version of the app, a version of analytics, or a status.

        ``shown`` is `version "2.0"`, `analytics "1.1"` or `status 503`, say.
        """
        what, _, value = shown.partition(" ")
        held = {"version": self._pages_are, "analytics": self._show, "status": self._statuses_are}
        return held[what](users, value.strip('"'))

    def _show(self, users: str, version: str) -> Observation:
        seen = self.views if users == APP_PODS else {users: self.views[users]}
        wrong = {source: deviations(views, [version]) for source, views in seen.items()}
        claims = {source: self._claim(source, views, "answers") for source, views in wrong.items()}
        return Observation(
            results=[f"From {source}: {claim}." for source, claim in claims.items()],
            problems=[_not_held(source, c, wrong[source]) for source, c in claims.items()
                      if not c.holds],
        )  # fmt: skip

    def _pages_are(self, user: str, version: str) -> Observation:
        wrong = [view for view in self.views[user] if view.app != version]
        claim = self._claim(user, wrong, "pages")
        return Observation(
            results=[f"Pages of {user}, version {version}: {claim}."],
            problems=unless(claim.holds, _not_held(user, claim, wrong)),
        )

    def _statuses_are(self, user: str, status: str) -> Observation:
        wrong = [view for view in self.views[user] if view.status != int(status)]
        claim = self._claim(user, wrong, "requests")
        return Observation(
            results=[f"Requests of {user}, status {status}: {claim}."],
            details=[f"{user}: {self.views[user][0].problem}"],
            problems=unless(claim.holds, _not_held(user, claim, wrong)),
        )

    def _claim(self, source: str, wrong: list[View], noun: str) -> AlwaysClaim:
        return self.demand.claim(len(self.views[source]), len(wrong), noun)


@dataclass(frozen=True)
class EvenSample:
    """Views by their source, what each sample was to tell, and what the views are."""

    views: dict[str, list[View]]
    demands: dict[str, EvenDemand]
    noun: str

    def kept(self) -> Observation:
        """All views, written down."""
        return _kept(self.views, self.noun)

    @property
    def all(self) -> list[View]:
        """The views of all sources."""
        return [view for views in self.views.values() for view in views]

    def show(self, users: str, shown: str) -> Observation:
        """Hold all against formats of analytics: `analytics "1.0" or "1.1"`, say."""
        wrong = deviations(self.all, NAMED_IN_QUOTES.findall(shown))
        first = f", first: {wrong[0]}" if wrong else ""
        told_of = f"{len(wrong)} of {len(self.all)} answers to {users}{first}"
        return Observation(problems=unless(self.all and not wrong, told_of))

    def same_counts(self) -> Observation:
        """Hold all against each other: they must count the same votes."""
        counts = sorted({told(view.counts) for view in self.all})
        return Observation(problems=unless(len(counts) == 1, f"different counts: {listed(counts)}"))

    def even(self, one: str, other: str) -> Observation:
        """Hold the shares of two versions against even ones, for each source."""
        first, second = map(str, NAMED_IN_QUOTES.findall(f"{one} {other}"))
        both = (first, second)
        claims = {
            source: self.demands[source].claim(
                [view.version for view in views if view.version in both], both, "analytics"
            )
            for source, views in self.views.items()
        }
        return Observation(
            results=[f"From {source}: {claim}." for source, claim in claims.items()],
            problems=[f"{source}: {claim}" for source, claim in claims.items() if not claim.holds],
        )


def page_views(ingress: VotingApp, demand: AlwaysDemand, users: Sequence[str]) -> AlwaysSample:
    """View the page as each of these kinds of users in turn, each so often as is demanded."""
    headers = {user: USERS[user] for user in users}
    return AlwaysSample(sample_at_once(ingress, demand.samples, headers), demand, "page views of")


def versions_of_users(
    ingress: VotingApp, users: Mapping[str, tuple[dict[str, str], str]]
) -> Observation:
    """View the page once as each kind of user, by headers, and hold it against their version."""
    pages = {
        user: (ingress.view(headers=headers).page, version)
        for user, (headers, version) in users.items()
    }
    told_of = "; ".join(f"{user}: {page}" for user, (page, _) in pages.items())
    wrong = [user for user, (page, version) in pages.items() if page.version != version]
    return Observation(
        baselines=[f"Through the ingress {told_of}."],
        problems=unless(not wrong, f"through the ingress {told_of}"),
    )


def from_pods(tutorial: Tutorial, demand: AlwaysDemand, *, fresh: bool) -> AlwaysSample:
    """Ask analytics from each app pod, so often as is demanded, on fresh connections or kept."""

    def sample(pod: str) -> list[View]:
        count = demand.samples
        return sample_analytics(tutorial.cluster, tutorial.namespace, pod, count, fresh=fresh)

    return AlwaysSample(_at_once(_app_pods(tutorial), sample), demand, "answers to")


def even_page_views(
    ingress: VotingApp, demands: Demands, false_alarms: Budget, alternative: float
) -> EvenSample:
    """View the page until it is decided whether the shares are even or as the alternative."""
    each = demand_each(INGRESS, [INGRESS], demands, false_alarms, alternative)
    return EvenSample({INGRESS: sample_evenly(ingress, each[INGRESS].test)}, each, "page views")


def even_from_pods(
    tutorial: Tutorial, demands: Demands, false_alarms: Budget, alternative: float
) -> EvenSample:
    """Ask analytics from each app pod until its shares are decided."""
    each = demand_each("app pod", _app_pods(tutorial), demands, false_alarms, alternative)

    def sample(pod: str) -> list[View]:
        test = each[pod].test
        return sample_analytics(tutorial.cluster, tutorial.namespace, pod, test.most, until=test)

    return EvenSample(_at_once(list(each), sample), each, "answers to")


def demand_each(
    kind: str, sources: Sequence[str], demands: Demands, false_alarms: Budget, alternative: float
) -> dict[str, EvenDemand]:
    """What the sample of each source is to tell; to be made is to have had its one try.

    ``kind`` says what the sources are. A claim is named by it and by a source's place among them:
    pods have other names the next time, and the claim would have another try.
    """
    each = {}
    for place, source in enumerate(sources, 1):
        claim = f"even shares, from {kind} {place} of {len(sources)}"
        each[source] = demands.even(alternative, false_alarms.draw(claim))
    return each


def _app_pods(tutorial: Tutorial) -> list[str]:
    return [pod.name for pod in tutorial.pods() if pod.app == APP]


def _at_once(pods: Sequence[str], sample: Callable[[str], list[View]]) -> dict[str, list[View]]:
    """Sample from all pods at once: each has its own sidecar, and one request in flight."""
    with ThreadPoolExecutor(max(len(pods), 1)) as pool:
        return dict(zip(pods, pool.map(sample, pods), strict=True))


def _not_held(source: str, claim: AlwaysClaim, wrong: list[View]) -> str:
    """A claim that does not hold; the first that deviates stands beside it."""
    return f"{source}: {claim}; first: {wrong[0] if wrong else 'none'}"


def _kept(views: Mapping[str, list[View]], noun: str) -> Observation:
    return Observation(
        texts={
            noun if one == INGRESS else f"{noun} {one}": as_lines(seen)
            for one, seen in views.items()
        }
    )
