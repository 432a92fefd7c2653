"""Which versions rules name, and which proxies have loaded."""

from __future__ import annotations

from collections.abc import Mapping
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

    def rules_without_both(self, count: int, version: str) -> str:
        """Say which of so many rules do not name a version and one before it; or nothing."""
        wrong = _without_both(self.rules, version)
        return self._of_rules(count, wrong)

    def proxies_without_both(self, version: str) -> str:
        """Say which proxies have not loaded a version and one before it; or nothing."""
        return self._of_proxies(_without_both(self.proxies, version))

    def rules_with_others(self, count: int, version: str) -> str:
        """Say which of so many rules name anything but a version; or nothing."""
        return self._of_rules(count, _with_others(self.rules, version))

    def proxies_with_others(self, version: str) -> str:
        """Say which proxies have loaded anything but a version; or nothing."""
        return self._of_proxies(_with_others(self.proxies, version))

    def _of_rules(self, count: int, wrong: Mapping[str, list[str]]) -> str:
        told = f"of {number(len(self.rules), 'rule')}: {_told(wrong)}"
        return told if wrong or len(self.rules) != count else ""

    def _of_proxies(self, wrong: Mapping[str, list[str]]) -> str:
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


def _without_both(known: Mapping[str, list[str]], version: str) -> dict[str, list[str]]:
    return {name: seen for name, seen in known.items() if not (version in seen and len(seen) > 1)}


def _with_others(known: Mapping[str, list[str]], version: str) -> dict[str, list[str]]:
    return {name: seen for name, seen in known.items() if seen != [version]}


def _all_of(known: Mapping[str, list[str]]) -> str:
    return listed(sorted({version for versions in known.values() for version in versions}))


def _told(known: Mapping[str, list[str]]) -> str:
    return in_turn(f"{name}: {listed(versions)}" for name, versions in sorted(known.items()))
