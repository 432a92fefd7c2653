"""What the committed suites say, for tests that are about them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from meshproof.cluster.objects import Objects
from meshproof.suite import stages
from meshproof.suite.deviations import deviations
from meshproof.suite.model import Stage
from meshproof.suite.registry import default_suite, expectation_ids, expectations, sections

SUITE = default_suite()
SECTIONS: Mapping[str, str] = sections()
EXPECTATIONS = expectations()
IDS = expectation_ids()
STAGES = SUITE.stages
NAMES = SUITE.stage_names
DEVIATIONS = deviations()
MANIFESTS = SUITE.manifests
BREAKAGES = MANIFESTS / "breakages"


def stage_named(name: str) -> Stage:
    return SUITE.stage(name)


def objects_of_stages(namespace: str, manifests: Path) -> dict[str, Objects]:
    return stages.objects_of_stages(STAGES, namespace, manifests)
