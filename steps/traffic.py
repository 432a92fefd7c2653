"""Page views as a user makes them."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from meshproof.probes.ingress import Ingress
from meshproof.probes.page import Page
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial


@when("the page is viewed through the ingress", target_fixture="page")
def _(ingress: Ingress, evidence: Evidence) -> Page:
    response = ingress.view()
    evidence.text("page as served", f"{response}\n\n{response.body}")
    evidence.result(f"The page is {response.page}.")
    evidence.observe(str(response))
    return response.page


@then(parsers.parse('it shows version "{version}" and store "{store}"'))
def _(page: Page, tutorial: Tutorial, version: str, store: str) -> None:
    assert (page.version, page.store) == (version, store), str(page)
    assert page.host in {pod.name for pod in tutorial.pods()}, f"no pod is called {page.host}"


@then("its analytics are simple counts")
def _(page: Page) -> None:
    assert page.analytics == "1.0", f"not `Cats: n | Dogs: m` but “{page.results}”"
