"""Which versions rules name, and which proxies have loaded (F2)."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_bdd import parsers, then, when

from meshproof.cluster.objects import live_objects
from meshproof.mesh.loaded import configuration_dumps
from meshproof.mesh.versions import versions_loaded, versions_named
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import in_turn, listed, number

RULES = ("DestinationRule", "VirtualService")


@dataclass(frozen=True)
class Known:
    """The versions that each rule names, and those that each proxy has loaded."""

    rules: dict[str, list[str]]
    proxies: dict[str, list[str]]


def both(versions: list[str]) -> bool:
    """Whether 2.0 is among them, and a version before it."""
    return "2.0" in versions and len(versions) > 1


def named(known: dict[str, list[str]]) -> str:
    """All versions that any of them knows."""
    return listed(sorted({version for versions in known.values() for version in versions}))


def told(known: dict[str, list[str]]) -> str:
    """What versions each of them knows."""
    return in_turn(f"{name}: {listed(versions)}" for name, versions in sorted(known.items()))


@when(
    "it is read which versions the rules name and the proxies have loaded",
    target_fixture="known",
)
def _(tutorial: Tutorial, evidence: Evidence) -> Known:
    live = live_objects(tutorial.cluster, tutorial.namespace)
    dumps = configuration_dumps(tutorial.cluster, tutorial.proxies())
    known = Known(
        {
            f"{kind} {name}": sorted(versions_named(manifest["spec"]))
            for (kind, name), manifest in live.items()
            if kind in RULES
        },
        {
            pod: sorted(versions_loaded(dump, tutorial.namespace))
            for (_, pod), dump in dumps.items()
        },
    )
    for what, found in (("rules", known.rules), ("proxies", known.proxies)):
        lines = [f"{name}: {', '.join(versions)}" for name, versions in sorted(found.items())]
        evidence.text(f"versions of {what}", "".join(f"{line}\n" for line in lines))
        evidence.observe(f"{len(found)} {what}: {'; '.join(lines)}")
    evidence.result(
        f"{number(len(known.rules), 'rule')} name versions {named(known.rules)}; "
        f"{number(len(known.proxies), 'proxy', 'proxies')} have loaded {named(known.proxies)}."
    )
    return known


@then(parsers.parse('each of the {count:d} rules names "2.0" and a version before it'))
def _(known: Known, count: int) -> None:
    wrong = {rule: seen for rule, seen in known.rules.items() if not both(seen)}
    assert len(known.rules) == count and not wrong, (
        f"of {number(len(known.rules), 'rule')}: {told(wrong)}"
    )


@then('every proxy has loaded "2.0" and a version before it')
def _(known: Known) -> None:
    wrong = {pod: seen for pod, seen in known.proxies.items() if not both(seen)}
    assert known.proxies and not wrong, (
        f"of {number(len(known.proxies), 'proxy', 'proxies')}: {told(wrong)}"
    )


@then(parsers.parse('each of the {count:d} rules names "2.0" and no other version'))
def _(known: Known, count: int) -> None:
    wrong = {rule: seen for rule, seen in known.rules.items() if seen != ["2.0"]}
    assert len(known.rules) == count and not wrong, (
        f"of {number(len(known.rules), 'rule')}: {told(wrong)}"
    )


@then('every proxy has loaded "2.0" and no other version')
def _(known: Known) -> None:
    wrong = {pod: seen for pod, seen in known.proxies.items() if seen != ["2.0"]}
    assert known.proxies and not wrong, (
        f"{len(wrong)} of {len(known.proxies)} proxies: {told(wrong)}"
    )
