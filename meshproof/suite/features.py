"""What a suite's features say of their scenarios: names, tags and what proves what."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gherkin.errors import CompositeParserException
from gherkin.parser import Parser

from meshproof.errors import UsageFailure
from meshproof.mesh.capabilities import Capability
from meshproof.suite.model import Suite

#: The tag of a scenario that proves nothing, and has no vote.
FINDING = "finding"


@dataclass(frozen=True)
class FeatureScenario:
    """A scenario, or an outline of some, with all tags that it carries."""

    name: str
    tags: frozenset[str]

    @property
    def finding(self) -> bool:
        """Whether it shows what the tutorial does not say."""
        return FINDING in self.tags


def scenarios_in(folder: Path) -> list[FeatureScenario]:
    """Return the scenarios of all features below a folder, by the names of their files.

    Raises ``UsageFailure`` where a feature cannot be read.
    """
    return [one for file in sorted(folder.rglob("*.feature")) for one in _scenarios(file)]


def proving(
    scenarios: Iterable[FeatureScenario], ids: Iterable[str], *, findings: bool = False
) -> Mapping[str, tuple[str, ...]]:
    """Return the names of the scenarios that prove each expectation, or of findings about it."""
    named: dict[str, tuple[str, ...]] = dict.fromkeys(ids, ())
    for scenario in scenarios:
        if scenario.finding is findings:
            for tag in scenario.tags & named.keys():
                named[tag] += (scenario.name,)
    return named


def expectations_that_need(
    capabilities: Iterable[Capability], suites: Iterable[Suite]
) -> list[str]:
    """Return the ids of what is not proved, or not in whole, where one of these is lacking."""
    tags = {one.tag for one in capabilities}
    return [
        one.id
        for suite in suites
        for needing in [[s for s in scenarios_in(suite.features) if tags & s.tags]]
        for one in suite.expectations
        if any(one.id in scenario.tags for scenario in needing)
    ]


def _scenarios(file: Path) -> tuple[FeatureScenario, ...]:
    try:
        return _written(file.read_text())
    except CompositeParserException as error:
        first = str(error.errors[0]) if error.errors else str(error)
        raise UsageFailure(f"{file}: this is no Gherkin: {first}.") from error


@functools.cache  # parsing all features takes 40 ms, and each sign-off asks for them
def _written(gherkin: str) -> tuple[FeatureScenario, ...]:
    """The scenarios of a feature's text."""
    feature = Parser().parse(gherkin).get("feature")
    return () if feature is None else tuple(_below(feature, frozenset()))


def _below(node: Mapping[str, Any], above: frozenset[str]) -> Iterator[FeatureScenario]:
    tags = above | _tags(node)
    for child in node["children"]:
        if "rule" in child:
            yield from _below(child["rule"], tags)
        elif "scenario" in child:
            scenario = child["scenario"]
            examples = (_tags(one) for one in scenario["examples"])
            yield FeatureScenario(scenario["name"], tags.union(_tags(scenario), *examples))


def _tags(node: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(tag["name"].removeprefix("@") for tag in node["tags"])
