"""The product page, as jason sees it and as everyone else does."""

from __future__ import annotations

from pytest_bdd import given, parsers, when

from meshproof.analysis.strength import AlwaysDemand
from meshproof.mesh.ingress import Ingress
from meshproof.signoff.evidence import Evidence
from steps.bookinfo import sampling
from steps.bookinfo.product_page import VERSIONS
from steps.bookinfo.verdicts import Attempts, PageSample


@given(
    parsers.parse(
        "among {count:d} product pages some show no stars, some black stars and some red stars"
    )
)
def every_version_is_seen(ingress: Ingress, evidence: Evidence, count: int) -> None:
    """Without a route each version of reviews is among those that are seen: the baseline."""
    seen = evidence.tell(sampling.every_version(ingress, count, tuple(VERSIONS)))
    assert not seen.problem, seen.problem


@when(
    "product pages of jason and of everyone else are sampled alternately through the ingress",
    target_fixture="answered",
)
def pages_of_both_are_sampled(
    ingress: Ingress, evidence: Evidence, demand: AlwaysDemand
) -> PageSample:
    """View the page signed in as jason, and signed in as another or not at all, as demanded."""
    pages = sampling.both_in_turn(ingress, demand)
    evidence.tell(pages.kept())
    return pages


@when(
    parsers.parse(
        "the product page is viewed {each:d} times per way to sign in as jason and per near miss"
    ),
    target_fixture="answered",
)
def page_is_viewed_by_near_misses(ingress: Ingress, each: int) -> Attempts:
    """View the page with jason's session in other forms, and with names and headers like his."""
    return sampling.close_to_jason(ingress, each)
