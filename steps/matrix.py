"""Who can call whom while both stacks run: the isolation matrix (C6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from pytest_bdd import given, then, when

from meshproof.analysis.isolation import (
    BASELINE,
    NOBODY,
    Cell,
    Name,
    differing,
    summary,
    table,
)
from meshproof.mesh.access_log import AccessLog
from meshproof.mesh.proxy_stats import ProxyCounts
from meshproof.probes.ingress import FLAG, Ingress
from meshproof.probes.matrix import call_each as calls_of
from meshproof.probes.matrix import own_names
from meshproof.probes.scratch_namespace import baseline
from meshproof.signoff.evidence import Evidence
from meshproof.suite.transitional import (
    MYSQL,
    MYSQLS_NAME,
    TUTORIALS_NAMES,
    WITHOUT_MYSQL,
    WORKLOADS,
)
from meshproof.suite.tutorial import Tutorial

#: Calls names from a pod of each workload.
CallEach = Callable[[Sequence[str], Sequence[Name]], list[Cell]]


@pytest.fixture
def call_each(tutorial: Tutorial, access_log: AccessLog, proxy_counts: ProxyCounts) -> CallEach:
    """Calls names from workloads, and looks each call up in what the proxies log and count."""
    return lambda sources, names: calls_of(tutorial, access_log, proxy_counts, sources, names)


@pytest.fixture
def names(tutorial: Tutorial) -> Iterator[list[Name]]:
    """Names that lead to one workload each, and to one that anyone may call."""
    with (
        baseline(tutorial.cluster, tutorial.namespace),
        own_names(tutorial, [*WORKLOADS, BASELINE]) as names,
    ):
        yield names


def keep(evidence: Evidence, what: str, cells: list[Cell]) -> None:
    """Draw cells, and put them in numbers."""
    evidence.text(f"matrix {what}", f"{table(cells)}\n" + "".join(f"{cell}\n" for cell in cells))
    evidence.result(f"Calls {what}: {summary(cells)}.")


def require(cells: Sequence[Cell]) -> None:
    """Require that each cell is as expected."""
    wrong = differing(cells)
    assert cells and not wrong, "\n".join(wrong)


@given("users reach app 1.0 without the flag, and app 2.0 with it")
def _(ingress: Ingress, evidence: Evidence) -> None:
    without, flagged = ingress.view().page, ingress.view(headers=FLAG).page
    evidence.baseline(f"Through the ingress: {without}; with the flag: {flagged}.")
    assert (without.version, flagged.version) == ("1.0", "2.0"), (
        f"through the ingress: {without}; with the flag: {flagged}"
    )


@given("a workload beside them that anyone may call")
def _(names: list[Name]) -> None:
    pass


@when(
    "each workload calls each workload and port, by a name that leads to that one alone",
    target_fixture="cells",
)
def _(call_each: CallEach, names: list[Name], evidence: Evidence) -> list[Cell]:
    cells = call_each(tuple(WORKLOADS), names)
    anyones = [cell for cell in cells if cell.anyones]
    evidence.baseline(f"A workload that anyone may call: {summary(anyones)}.")
    keep(evidence, "by own names", [cell for cell in cells if not cell.anyones])
    return cells


@when("each workload calls each of the tutorial's own names and ports", target_fixture="cells")
def _(call_each: CallEach, evidence: Evidence) -> list[Cell]:
    cells = call_each(tuple(WORKLOADS), TUTORIALS_NAMES)
    keep(evidence, "by the tutorial's names", cells)
    return cells


@then("each is answered by the one that anyone may call, in every protocol")
def _(cells: list[Cell]) -> None:
    require([cell for cell in cells if cell.anyones])


@then("each call along an arrow of the tutorial's diagram is answered, by its own stack")
def _(cells: list[Cell]) -> None:
    require([cell for cell in cells if cell.expected != NOBODY and not cell.anyones])


@then("no other call is: the proxy of whoever it reached denies it, and counts that")
def _(cells: list[Cell]) -> None:
    others = [cell for cell in cells if cell.expected == NOBODY]
    require(others)
    assert all(cell.denied for cell in others), "\n".join(
        str(cell) for cell in others if not cell.denied
    )


@then("no other call is: the server's proxy denies it and counts that, or the caller's has no way")
def _(cells: list[Cell]) -> None:
    require([cell for cell in cells if cell.expected == NOBODY])


@when(
    "each workload that may not have MySQL calls it by the tutorial's own name",
    target_fixture="cells",
)
def _(call_each: CallEach, evidence: Evidence) -> list[Cell]:
    cells = call_each(WITHOUT_MYSQL, [MYSQLS_NAME])
    keep(evidence, "to MySQL by the tutorial's name", cells)
    return cells


@when(
    "each workload that may not have MySQL calls it by a name that leads to MySQL alone",
    target_fixture="cells",
)
def _(tutorial: Tutorial, call_each: CallEach, evidence: Evidence) -> list[Cell]:
    with own_names(tutorial, [MYSQL]) as names:
        cells = call_each(WITHOUT_MYSQL, names)
    keep(evidence, "to MySQL by a name of its own", cells)
    return cells


@then("no workload that may not have MySQL gets a byte of it")
def _(cells: list[Cell]) -> None:
    wrong = [str(cell) for cell in cells if not cell.nowhere]
    assert cells and not wrong, "\n".join(wrong)


@then("each workload that may not have MySQL gets its greeting")
def _(cells: list[Cell]) -> None:
    # Whether anything answers a login is what the whole matrix proves.
    gone = [str(cell) for cell in cells if not cell.answer.greeting]
    assert not gone, "\n".join([f"{len(gone)} of {len(cells)} get no greeting:", *gone])
