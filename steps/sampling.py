"""Samples of which version of analytics answers, and what they show with which error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pytest_bdd import parsers, then, when

from meshproof.analysis.sampling import AlwaysClaim, Budget
from meshproof.analysis.strength import AlwaysDemand, Demands, EvenDemand
from meshproof.probes.ingress import FLAG, Ingress
from meshproof.probes.views import (
    ANYONE,
    BOTH,
    View,
    as_lines,
    deviations,
    sample_analytics,
    sample_at_once,
    sample_evenly,
)
from meshproof.probes.votes import told
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import listed

APP = "voting-app"


@dataclass(frozen=True)
class AlwaysSample:
    """Views by their source, and what their number is made for."""

    views: dict[str, list[View]]
    demand: AlwaysDemand

    def claim(self, source: str, wrong: list[View], noun: str) -> AlwaysClaim:
        """Claim that the views of a source are as promised, of which these are not."""
        return self.demand.claim(len(self.views[source]), len(wrong), noun)


@dataclass(frozen=True)
class EvenSample:
    """Views by their source, and what each sample was to tell."""

    views: dict[str, list[View]]
    demands: dict[str, EvenDemand]


LEAK = "enough to notice a leak of {leak:g} % with {confidence:g} % confidence"
SPLIT = "enough to tell an even split from {most:d}/{least:d}"


@when(parsers.parse(f"page views are sampled through the ingress, {LEAK}"), target_fixture="always")
def _(
    ingress: Ingress, evidence: Evidence, demands: Demands, leak: float, confidence: float
) -> AlwaysSample:
    demand = demands.always(leak / 100, confidence / 100)
    views = sample_at_once(ingress, demand.samples)[ANYONE]
    evidence.text("page views", as_lines(views))
    return AlwaysSample({"the ingress": views}, demand)


@when(
    parsers.parse(
        f"page views are sampled through the ingress, in turn with the flag and without it, {LEAK}"
    ),
    target_fixture="always",
)
def _(
    ingress: Ingress, evidence: Evidence, demands: Demands, leak: float, confidence: float
) -> AlwaysSample:
    demand = demands.always(leak / 100, confidence / 100)
    return sample_users(ingress, evidence, demand, {"with the flag": FLAG, "without the flag": {}})


@when(
    parsers.parse(f"page views with the flag are sampled through the ingress, {LEAK}"),
    target_fixture="always",
)
def _(
    ingress: Ingress, evidence: Evidence, demands: Demands, leak: float, confidence: float
) -> AlwaysSample:
    demand = demands.always(leak / 100, confidence / 100)
    return sample_users(ingress, evidence, demand, {"with the flag": FLAG})


@when(
    parsers.parse(
        f"analytics are sampled from inside every app pod on {{connections}} connections, {LEAK}"
    ),
    target_fixture="always",
)
def _(
    tutorial: Tutorial,
    evidence: Evidence,
    demands: Demands,
    connections: str,
    leak: float,
    confidence: float,
) -> AlwaysSample:
    demand = demands.always(leak / 100, confidence / 100)
    count, fresh = demand.samples, connections == "fresh"

    def sample(pod: str) -> list[View]:
        return sample_analytics(tutorial.cluster, tutorial.namespace, pod, count, fresh=fresh)

    samples = sample_pods(app_pods(tutorial), evidence, sample)
    return AlwaysSample(samples, demand)


@when(parsers.parse(f"page views are sampled through the ingress, {SPLIT}"), target_fixture="even")
def _(
    ingress: Ingress,
    evidence: Evidence,
    demands: Demands,
    false_alarms: Budget,
    most: int,
    least: int,
) -> EvenSample:
    each = demand_each("the ingress", ["the ingress"], demands, false_alarms, most / (most + least))
    views = sample_evenly(ingress, each["the ingress"].test)
    evidence.text("page views", as_lines(views))
    return EvenSample({"the ingress": views}, each)


@when(
    parsers.parse(f"analytics are sampled from inside every app pod, {SPLIT}"),
    target_fixture="even",
)
def _(
    tutorial: Tutorial,
    evidence: Evidence,
    demands: Demands,
    false_alarms: Budget,
    most: int,
    least: int,
) -> EvenSample:
    pods = app_pods(tutorial)
    each = demand_each("app pod", pods, demands, false_alarms, most / (most + least))

    def sample(pod: str) -> list[View]:
        test = each[pod].test
        return sample_analytics(tutorial.cluster, tutorial.namespace, pod, test.most, until=test)

    return EvenSample(sample_pods(list(each), evidence, sample), each)


@then(parsers.parse('every page {user} is version "{version}"'))
def _(always: AlwaysSample, evidence: Evidence, user: str, version: str) -> None:
    wrong = [view for view in always.views[user] if view.app != version]
    claim = always.claim(user, wrong, "pages")
    evidence.result(f"Pages {user}, version {version}: {claim}.")
    require(user, claim, wrong)


@then(parsers.parse("every request {user} got a {status:d}"))
def _(always: AlwaysSample, evidence: Evidence, user: str, status: int) -> None:
    views = always.views[user]
    wrong = [view for view in views if view.status != status]
    claim = always.claim(user, wrong, "requests")
    evidence.result(f"Requests {user}, status {status}: {claim}.")
    evidence.observe(f"{user}: {views[0].problem}")
    require(user, claim, wrong)


@then(parsers.parse('every page shows analytics "{version}"'))
@then(parsers.parse('every answer shows analytics "{version}"'))
def _(always: AlwaysSample, evidence: Evidence, version: str) -> None:
    for source, views in always.views.items():
        wrong = deviations(views, [version])
        claim = always.claim(source, wrong, "answers")
        evidence.result(f"From {source}: {claim}.")
        require(source, claim, wrong)


@then(parsers.parse('every page shows analytics "1.0" or "1.1", with the same counts'))
@then(parsers.parse('every answer shows analytics "1.0" or "1.1", with the same counts'))
def _(even: EvenSample) -> None:
    views = [view for sample in even.views.values() for view in sample]
    wrong = deviations(views, BOTH)
    assert not wrong, f"{len(wrong)} of {len(views)} answers, first: {wrong[0]}"
    counts = {view.counts for view in views}
    assert len(counts) == 1, f"different counts: {listed(sorted(map(told, counts)))}"


@then("both come in even shares")
@then("for each pod both come in even shares")
def _(even: EvenSample, evidence: Evidence) -> None:
    for source, views in even.views.items():
        seen = [view.version for view in views if view.version in BOTH]
        claim = even.demands[source].claim(seen, BOTH, "analytics")
        evidence.result(f"From {source}: {claim}.")
        assert claim.holds, f"{source}: {claim}"


def sample_users(
    ingress: Ingress, evidence: Evidence, demand: AlwaysDemand, users: Mapping[str, dict[str, str]]
) -> AlwaysSample:
    """View the page as each of these users, by the headers that they send, in turn."""
    views = sample_at_once(ingress, demand.samples, users)
    for user, seen in views.items():
        evidence.text(f"page views {user}", as_lines(seen))
    return AlwaysSample(views, demand)


def require(source: str, claim: AlwaysClaim, wrong: list[View]) -> None:
    """Require that a claim holds; the first that deviates stands beside it."""
    assert claim.holds, f"{source}: {claim}; first: {wrong[0] if wrong else 'none'}"


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


def app_pods(tutorial: Tutorial) -> list[str]:
    """The names of the app's pods."""
    return [pod.name for pod in tutorial.pods() if pod.app == APP]


def sample_pods(
    pods: Sequence[str], evidence: Evidence, sample: Callable[[str], list[View]]
) -> dict[str, list[View]]:
    """Sample from inside each of these pods, from all at once.

    Each pod's own sidecar chooses for it, and has one request in flight.
    """
    with ThreadPoolExecutor(max(len(pods), 1)) as pool:
        samples = dict(zip(pods, pool.map(sample, pods), strict=True))
    for pod, views in samples.items():
        evidence.text(f"answers to {pod}", as_lines(views))
    return samples
