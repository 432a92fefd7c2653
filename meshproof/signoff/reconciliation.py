"""Reconciliation: what was collected, what ran and what each report holds must be the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import yaml
from lxml import etree

from meshproof.signoff.evidence import Kept
from meshproof.signoff.secrets import Leaks, leaks, secrets_of, withhold
from meshproof.signoff.verdict import Outcome, ScenarioResult
from meshproof.suite.coverage import tree_digest

#: Where a JUnit case says that it did not pass.
NOT_PASSED = ("failure", "error", "skipped")
#: The label of an Allure result that holds pytest's node id.
NODE_LABEL = "node"
#: How many names a difference gives.
NAMED = 5
#: Stands for what a scenario said, where that holds a secret.
SILENCED = "What was said here holds a secret: it was left out."


@dataclass(frozen=True)
class Reconciliation:
    """How many scenarios each report holds (None: it cannot be read), and what differs."""

    junit: int | None = None
    allure: int | None = None
    differences: tuple[str, ...] = ()
    #: Files that were moved out of the reports, and scenarios (node ids) whose words hold a secret.
    withheld: frozenset[Path] = frozenset()
    silenced: frozenset[str] = frozenset()

    def cleared(self, results: Iterable[ScenarioResult]) -> list[ScenarioResult]:
        """Return results as a report may show them: without what was withheld, and no secret."""
        return [self._cleared(result) for result in results]

    def _cleared(self, result: ScenarioResult) -> ScenarioResult:
        kept = tuple(piece for piece in result.evidence if piece.path not in self.withheld)
        if result.node not in self.silenced:
            return replace(result, evidence=kept)
        return replace(result, evidence=kept, message=SILENCED * bool(result.message),
                       observations=(SILENCED,) * bool(result.observations),
                       results=(), baselines=())  # fmt: skip


def reconcile(
    collected: Sequence[str],
    results: Sequence[ScenarioResult],
    reports: Path,
    *,
    junit: Path,
    manifests: Mapping[Path, str],
) -> Reconciliation:
    """Hold the reports that were written against what was collected (pytest's node ids) and ran.

    ``junit`` is the JUnit report, which may be elsewhere. No report may hold a secret of the
    ``manifests``, either, and these folders must still have the digests (`tree_digest`) that they
    had as the run began: it is their digests that are signed. A file with a secret in it is moved
    out of the reports at once.
    """
    ran = {r.node: r.outcome for r in results if r.outcome is not Outcome.MISSING}
    differences = named("Collected, and no result came", set(collected) - ran.keys())
    counts: dict[Path, int | None] = {}
    allure = reports / "allure-results"
    for report, read in ((junit, junit_cases), (allure, allure_cases)):
        try:
            cases = read(report, collected)
        except (OSError, ValueError, LookupError, TypeError) as error:
            counts[report] = None
            differences.append(f"{report.name} cannot be read ({type(error).__name__}: {error})")
            continue
        counts[report] = len(cases)
        differences += compared(report.name, ran, cases)
    differences += changed(piece for result in results for piece in result.evidence)
    try:
        if any(tree_digest(folder) != sha256 for folder, sha256 in manifests.items()):
            differences.append("The manifests are not those with which the run began")
    except OSError as error:
        differences.append(f"The manifests cannot be read any more: {error}")
    found = Leaks()
    try:
        said = {r.node: "\n".join([r.message, *r.observations]) for r in results}
        secrets = [secret for folder in manifests for secret in secrets_of(folder)]
        found = leaks(reports, said, secrets)
    except (OSError, ValueError, LookupError, TypeError, RecursionError, yaml.YAMLError) as error:
        differences.append(f"The reports cannot be searched for secrets: {error}")
    differences += [*found.sentences, *withhold(reports, found.files)]
    return Reconciliation(
        counts[junit],
        counts[allure],
        tuple(differences),
        frozenset(found.files),
        frozenset(found.nodes),
    )


def compared(report: str, ran: Mapping[str, Outcome], cases: Mapping[str, bool]) -> list[str]:
    """Say where a report's scenarios, each with whether it passed, are not those that ran."""
    both = ran.keys() & cases.keys()
    other = [node for node in both if cases[node] != (ran[node] is Outcome.PASSED)]
    return [
        *named(f"Ran, and is not in {report}", ran.keys() - cases.keys()),
        *named(f"In {report}, and did not run", cases.keys() - ran.keys()),
        *named(f"Ended otherwise than {report} says", other),
    ]


def named(what: str, nodes: Iterable[str]) -> list[str]:
    """Say something of some scenarios, in one line; nothing where there are none."""
    names = sorted(nodes)
    if not names:
        return []
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return [f"{what}: {', '.join(names[:NAMED])}{more}"]


def changed(evidence: Iterable[Kept]) -> list[str]:
    """Say which evidence is not there any more as it was written."""
    return [
        f"Not as it was written: evidence {piece.path.parent.name}/{piece.path.name}"
        for piece in evidence
        if not piece.path.is_file()
        or hashlib.sha256(piece.path.read_bytes()).hexdigest() != piece.sha256
    ]


def junit_cases(file: Path, collected: Sequence[str]) -> dict[str, bool]:
    """Return for each scenario in a JUnit report whether it passed, by pytest's node id.

    Cases of modules that none was collected from are the harness's own tests. Raises ``OSError``
    or ``ValueError``.
    """
    if not file.is_file():  # a device can be read without end
        raise FileNotFoundError("there is no such file")
    try:
        root = ElementTree.fromstring(file.read_bytes())  # noqa: S314 (written by this run)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
    nodes = {_junit_names(node): node for node in collected}
    modules = {module for module, _ in nodes}
    cases: dict[str, bool] = {}
    for case in root.iter("testcase"):
        names = case.get("classname", ""), case.get("name", "")
        if names[0] in modules:
            passed = all(case.find(tag) is None for tag in NOT_PASSED)
            node = nodes.get(names, "::".join(names))
            # One that fails, and then once more as it is cleaned up, has two cases.
            cases[node] = passed and cases.get(node, True)
    return cases


def in_order(junit: Path, collected: Sequence[str]) -> None:
    """Put the cases of a JUnit report into the order in which they were collected.

    With several lanes they are written as they end; others keep their places behind these.
    Raises ``OSError`` or ``lxml.etree.XMLSyntaxError`` where it cannot be read.
    """
    tree = etree.parse(junit)
    turn = {_junit_names(node): index for index, node in enumerate(collected)}
    for suite in tree.iter("testsuite"):
        cases = suite.findall("testcase")
        cases.sort(
            key=lambda case: turn.get((case.get("classname", ""), case.get("name", "")), len(turn))
        )
        for case in cases:  # an element that is appended leaves its old place
            suite.append(case)
    tree.write(junit, xml_declaration=True, encoding="utf-8")


def _junit_names(node: str) -> tuple[str, str]:
    module, _, name = node.partition("::")
    return module.removesuffix(".py").replace("/", "."), name


def allure_cases(folder: Path, collected: Sequence[str]) -> dict[str, bool]:
    """Return for each scenario among Allure's results whether it passed, by pytest's node id.

    Scenarios carry it in a label; other results are the harness's own tests, or none of this run.
    Raises ``OSError``, ``ValueError``, ``LookupError`` or ``TypeError`` for what is none.
    """
    if not folder.is_dir():
        raise FileNotFoundError("there is no such folder")
    cases: dict[str, bool] = {}
    for file in sorted(folder.glob("*-result.json")):
        result = json.loads(file.read_bytes())
        passed = result["status"] == "passed"
        for label in result.get("labels", []):
            if label["name"] == NODE_LABEL:
                cases[label["value"]] = passed
    return cases
