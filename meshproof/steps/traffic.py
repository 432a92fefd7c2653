"""Requests through the ingress gateway, as a user makes them."""

from __future__ import annotations

from pytest_bdd import given, parsers, then

from meshproof.mesh.ingress import Ingress
from meshproof.probes.commands import address_in
from meshproof.probes.reachability import served, unreachable
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial


@given(parsers.parse("{count:d} requests through the ingress get a 404 or no answer"))
def requests_get_no_page(
    ingress: Ingress, tutorial: Tutorial, evidence: Evidence, count: int
) -> None:
    """Each of these requests gets no answer, or a 404: there is no way in yet."""
    seen = evidence.tell(unreachable(ingress, tutorial.suite.served, count))
    assert not seen.problem, seen.problem


@then("a request through the ingress gets the page with 200")
def page_is_served(ingress: Ingress, tutorial: Tutorial, evidence: Evidence) -> None:
    """A request through the ingress gateway is answered with 200 and the page."""
    seen = evidence.tell(served(ingress, tutorial.suite.served, "The page is served with 200"))
    assert not seen.problem, seen.problem


@then("a request to the printed address gets the page with 200")
def page_is_served_at_address(printed_address: str, tutorial: Tutorial, evidence: Evidence) -> None:
    """A request to the printed address is answered with 200 and the page."""
    there = Ingress(f"http://{address_in(printed_address)}")
    seen = evidence.tell(served(there, tutorial.suite.served, f"The page is served at {there.url}"))
    assert not seen.problem, seen.problem
