"""What the voting app's page shows: version, store and analytics."""

from __future__ import annotations

import pytest
from pytest_bdd import parsers, then, when

from meshproof.mesh.ingress import Ingress
from meshproof.probes.commands import run_loop
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.voting.page_text import Loop, page_from_app_pod, viewed
from steps.voting.voting_app import VotingApp
from steps.voting.voting_page import Page


@pytest.fixture
def voting_app(ingress: Ingress) -> VotingApp:
    """The voting app, as users of the lane reach it."""
    return VotingApp(ingress)


@when("the page is viewed through the ingress", target_fixture="page")
def page_is_viewed(voting_app: VotingApp, evidence: Evidence) -> Page:
    """View the page once, as a user does."""
    response = voting_app.view()
    evidence.tell(viewed(response))
    return response.page


@then(parsers.parse('the page of an app pod shows version "{version}" and store "{store}"'))
def page_shows_version_and_store(page: Page, tutorial: Tutorial, version: str, store: str) -> None:
    """The page is of this version and store, and names one of the app's pods as its host."""
    seen = page_from_app_pod(page, {pod.name for pod in tutorial.pods()}, version, store)
    assert not seen.problem, seen.problem


@then('the page shows analytics as simple counts, "Cats: n | Dogs: m"')
def page_shows_simple_counts(page: Page) -> None:
    """The analytics on the page have the format of version 1.0."""
    assert page.analytics == "1.0", f"not `Cats: n | Dogs: m` but “{page.results}”"


@then(parsers.parse('the page shows the analytics "{text}"'))
def page_shows_analytics(voting_app: VotingApp, evidence: Evidence, text: str) -> None:
    """The text of the analytics on the page is exactly this."""
    results, wanted = voting_app.view().page.results, text.replace("\\|", "|")
    evidence.result(f"The page shows {results}.")
    assert results == wanted, f"it shows “{results}”, not “{wanted}”"


@when(parsers.parse("the tutorial's loop of {count:d} requests is run"), target_fixture="answered")
def loop_is_run(tutorial: Tutorial, curl: None, address_command: str, count: int) -> Loop:
    """Run the tutorial's own loop of curl and grep, as published."""
    return Loop(run_loop(tutorial, address_command, count), count)
