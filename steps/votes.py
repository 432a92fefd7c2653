"""Votes: cast as a user casts them, counted wherever they are counted."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from meshproof.probes.ingress import Ingress
from meshproof.probes.page import Page
from meshproof.probes.pod_exec import page_of
from meshproof.probes.stores import counts_of, redis_rows
from meshproof.probes.votes import Ballot, told, unexpected_counts
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import by_name, in_turn, listed, number


@given("all votes are reset")
@when("all votes are reset")
def _(ingress: Ingress) -> None:
    response = ingress.vote("reset")
    assert response.page.counts == (0, 0), f"after the reset: {response.page}"


@given(parsers.parse('these votes are cast one by one: "{votes}"'), target_fixture="ballots")
@when(parsers.parse('these votes are cast one by one: "{votes}"'), target_fixture="ballots")
def _(ingress: Ingress, evidence: Evidence, votes: str) -> list[Ballot]:
    ballots = []
    before = ingress.view().page.counts
    for choice in votes.split(", "):
        after = ingress.vote(choice).page.counts
        ballots.append(Ballot(choice, before, after))
        before = after
    evidence.text("votes", "\n".join(map(str, ballots)) + "\n")
    return ballots


@when(parsers.parse("these votes are cast: {cats:d} cats and {dogs:d} dogs"))
def _(ingress: Ingress, cats: int, dogs: int) -> None:
    for choice in ["Cats"] * cats + ["Dogs"] * dogs:
        response = ingress.vote(choice)
        assert response.status == 200, str(response)


@then(parsers.parse('the page shows "{text}"'))
def _(ingress: Ingress, evidence: Evidence, text: str) -> None:
    response = ingress.view()
    evidence.result(f"The page shows {response.page.results}.")
    wanted = text.replace("\\|", "|")
    assert response.page.results == text.replace("\\|", "|"), (
        f"it shows “{response.page.results}”, not “{wanted}”"
    )


@then("each vote added exactly one to its own category")
def _(ballots: list[Ballot], evidence: Evidence) -> None:
    wrong = [str(ballot) for ballot in ballots if not ballot.counted]
    evidence.result(
        f"{len(ballots) - len(wrong)} of {number(len(ballots), 'vote')} added exactly one to their "
        "own category."
    )
    evidence.observe("; ".join(map(str, ballots)))
    assert not wrong, f"{len(wrong)} of {len(ballots)} votes: {in_turn(wrong)}"


@then(parsers.parse("all app pods and Redis itself count {cats:d} cats and {dogs:d} dogs"))
def _(tutorial: Tutorial, evidence: Evidence, cats: int, dogs: int) -> None:
    pods, cluster, namespace = tutorial.pods(), tutorial.cluster, tutorial.namespace
    pages: dict[str, Page] = {
        pod.name: page_of(cluster, namespace, pod.name) for pod in pods if pod.app == "voting-app"
    }
    counted = {name: page.counts for name, page in pages.items()}
    # Each of them, were there several: votes that are shared out may look whole to the pages.
    stores = [pod.name for pod in pods if pod.app == "voting-storage"]
    assert stores, "there is no pod of Redis"
    counted |= {
        f"redis-cli in {name}": counts_of(redis_rows(cluster, namespace, name)) for name in stores
    }
    counts = {told(pair) for pair in counted.values()}
    evidence.result(f"{number(len(counted), 'place')} count {listed(sorted(counts))}.")
    evidence.observe(by_name({name: told(pair) for name, pair in counted.items()}))
    assert len(pages) == 3, f"{len(pages)} app pods"
    wrong = unexpected_counts(counted, (cats, dogs))
    others = in_turn(f"{name}: {told(pair)}" for name, pair in wrong.items())
    assert not wrong, f"expected {told((cats, dogs))}: {others}"
