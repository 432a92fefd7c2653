"""Users who view the product page while the tutorial goes on."""

from __future__ import annotations

from pytest_bdd import given

from meshproof.probes.steady import SteadyTraffic
from meshproof.suite.tutorial import Tutorial
from steps.bookinfo import reading_on


@given("readers and jason view the product page during the whole scenario")
def readers_view_throughout(tutorial: Tutorial, traffic: SteadyTraffic) -> None:
    """Two readers and jason twice, on kept connections and on new ones, begin and do not stop."""
    tutorial.mark = traffic.step
    reading_on.begin(traffic)
