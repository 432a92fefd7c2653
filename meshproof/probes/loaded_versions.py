"""Which versions rules name, and which proxies have loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from meshproof.analysis.observation import Observation
from meshproof.cluster.objects import live_objects
from meshproof.mesh.loaded import configuration_dumps
from meshproof.mesh.versions import versions_loaded, versions_named
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import in_turn, listed, number

RULES = ("DestinationRule", "VirtualService")


@dataclass(frozen=True)
class Known:
    """The versions that each rule names, and those that each proxy has loaded, sorted."""

    rules: dict[str, list[str]]
    proxies: dict[str, list[str]]

    def told(self) -> Observation:
        """Say which versions they are."""
        pieces = [("rules", self.rules), ("proxies", self.proxies)]
        lines = {
            what: [f"{name}: {', '.join(versions)}" for name, versions in sorted(found.items())]
            for what, found in pieces
        }
        return Observation(
            results=[
                f"{number(len(self.rules), 'rule')} name versions {_all_of(self.rules)}; "
                f"{number(len(self.proxies), 'proxy', 'proxies')} have loaded "
                f"{_all_of(self.proxies)}."
            ],
            details=[f"{len(some)} {what}: {'; '.join(some)}" for what, some in lines.items()],
            texts={
                f"versions of {what}": "".join(f"{line}\n" for line in some)
                for what, some in lines.items()
            },
        )

    def rules_unlike(self, rows: Iterable[Sequence[str]]) -> str:
        """Say which rules are missing or name other versions than rows of both say; or nothing.

        Versions are listed as in a sentence: “1.0, 1.1 and 2.0”.
        """
        wanted = {row[0]: row[1] for row in rows}
        wrong = {
            rule: self.rules.get(rule, [])
            for rule in sorted(wanted.keys() | self.rules.keys())
            if _in_words(self.rules.get(rule, [])) != wanted.get(rule)
        }
        return f"of {number(len(self.rules), 'rule')}: {_told(wrong)}" if wrong else ""

    def proxies_unlike(self, versions: str) -> str:
        """Say which proxies have loaded other versions than these, as a sentence lists them."""
        wrong = {pod: seen for pod, seen in self.proxies.items() if _in_words(seen) != versions}
        told = f"{len(wrong)} of {number(len(self.proxies), 'proxy', 'proxies')}: {_told(wrong)}"
        return told if wrong or not self.proxies else ""


def named_and_loaded(tutorial: Tutorial) -> Known:
    """Read the versions in the live rules, and in what every proxy has loaded."""
    live = live_objects(tutorial.cluster, tutorial.namespace)
    dumps = configuration_dumps(tutorial.cluster, tutorial.proxies())
    return Known(
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


def _all_of(known: Mapping[str, list[str]]) -> str:
    return listed(sorted({version for versions in known.values() for version in versions}))


def _told(known: Mapping[str, list[str]]) -> str:
    return in_turn(f"{name}: {_in_words(seen)}" for name, seen in sorted(known.items()))


def _in_words(versions: Sequence[str]) -> str:
    return listed(versions, most=len(versions))
