"""What changed between two sign-offs: verdicts, what was tested, scenarios, times, flakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meshproof.documents import read_all
from meshproof.signoff.document import ExpectationRow, ScenarioRow, SignOff
from meshproof.signoff.findings import State, state_of
from meshproof.signoff.lines import scenarios_of, title_of
from meshproof.signoff.pages import seconds
from meshproof.signoff.verdict import Outcome, Verdict, count, of_expectation, overall

#: A scenario's time is another where it changed by this share of the longer one, and by these
#: seconds: on a busy machine the same scenario varies by a quarter.
SHARE, SECONDS = 0.4, 3.0
#: From best to worst; what is out of scope says nothing.
RANKS = {
    Verdict.ACCEPTED: 0, Verdict.UNPROVED: 1, Verdict.PARTIAL: 1, Verdict.INCONCLUSIVE: 2,
    Verdict.REJECTED: 3,
}  # fmt: skip
#: Facts of a run that are nothing of what it tested.
OF_THE_RUN = ("seed",)
#: Verdicts that say that something was proved: whoever leaves these behind lost a proof.
PROVED = (Verdict.ACCEPTED, Verdict.PARTIAL)


@dataclass(frozen=True)
class Change:
    """One line of a comparison: what it is about, and what became of it.

    ``worse`` says that a promise that held is broken, or is no longer proved.
    """

    kind: str
    text: str
    worse: bool = False

    def __str__(self) -> str:
        """Return the line."""
        return f"{self.kind}: {self.text}{' (worse)' if self.worse else ''}"


def renames(folder: Path) -> dict[str, str]:
    """Read which scenarios have another name or file now, of all suites below a folder.

    By pytest's ids, without the values of an outline's row; a file has a part for each time at
    which scenarios were renamed. Empty where no suite has any. Raises
    ``OSError`` or ``yaml.YAMLError``.
    """
    found: dict[str, str] = {}
    for file in sorted(folder.glob("*/renamed.yaml")):
        for part in read_all(file.read_text()):
            found |= part
    return found


def renamed(document: SignOff, names: Mapping[str, str]) -> SignOff:
    """Return a sign-off with its scenarios under the names that they have now."""

    def now(row: ScenarioRow) -> ScenarioRow:
        function, bracket, values = row.node.partition("[")
        return row.model_copy(update={"node": f"{names.get(function, function)}{bracket}{values}"})

    expectations = [
        row.model_copy(update={"scenarios": [*map(now, row.scenarios)]})
        for row in document.expectations
    ]
    findings = [row.model_copy(update={"scenario": now(row.scenario)}) for row in document.findings]
    return document.model_copy(update={"expectations": expectations, "findings": findings})


def compare(old: SignOff, new: SignOff, names: Mapping[str, str] | None = None) -> list[Change]:
    """Say what changed, in the order in which one would ask; empty where nothing did.

    ``names`` are those of scenarios that are called otherwise now (`renames`).
    """
    if names:
        old, new = renamed(old, names), renamed(new, names)
    return [
        *_whole(old, new), *_tested(old, new), *_expectations(old, new), *_scenarios(old, new),
        *_findings(old, new),
    ]  # fmt: skip


def facts(environment: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return what was tested as a flat table: a line for each fact, image and deviation."""
    flat: dict[str, str] = {}
    for name, value in environment.items():
        if isinstance(value, Mapping):
            flat |= facts(value, f"{prefix}{name} ")
        elif isinstance(value, list):
            flat |= {f"{prefix}{name}: {line}": "there" for line in value}
        else:
            flat[f"{prefix}{name}"] = str(value)
    return flat


def _whole(old: SignOff, new: SignOff) -> Iterator[Change]:
    if str(old.scope) != str(new.scope):
        yield Change("scope", f"{old.scope} → {new.scope}")
    if old.verdict != new.verdict:
        ranks = [RANKS[_overall(one) if _unlike(old, new) else one.verdict] for one in (old, new)]
        worse = ranks[1] > ranks[0]
        yield Change("verdict", f"{old.verdict} → {new.verdict}", worse)
    if _other_time(old.duration_s, new.duration_s):
        yield Change("time", f"the run: {seconds(old.duration_s)} → {seconds(new.duration_s)}")


def _tested(old: SignOff, new: SignOff) -> Iterator[Change]:
    before, after = facts(old.environment), facts(new.environment)
    for name in dict.fromkeys([*before, *after]):
        if name not in OF_THE_RUN and before.get(name) != after.get(name):
            yield Change("tested", f"{name}: {before.get(name, 'not there')} → "
                                   f"{after.get(name, 'not there')}")  # fmt: skip


def left_out(old: SignOff, new: SignOff) -> set[str]:
    """Return the expectations that are no longer proved because a selection leaves them out.

    Or because --quick does, where OLD is a full run. What NEW was asked to prove, and what it was
    not asked to leave out, is none of these.
    """
    excused = set()
    if new.scope.quick and _unlike(old, new):
        excused |= {
            row.id
            for row in new.expectations
            if row.scenarios and all(one.left_out for one in row.scenarios)
        }
    if new.scope.selection not in (None, old.scope.selection):
        excused |= {row.id for row in new.expectations if row.verdict is Verdict.OUT_OF_SCOPE}
    if new.scope.suites and new.scope.suites != old.scope.suites:
        excused |= {
            row.id
            for row in new.expectations
            if row.verdict is Verdict.OUT_OF_SCOPE and row.suite not in new.scope.suites
        }
    return excused


def _expectations(old: SignOff, new: SignOff) -> Iterator[Change]:
    before = {row.id: row for row in old.expectations}
    after = {row.id: row for row in new.expectations}
    excused = left_out(old, new)
    for name in dict.fromkeys([*before, *after]):
        was, now = before.get(name), after.get(name)
        words = [str(row.verdict) if row else "not there" for row in (was, now)]
        if words[0] != words[1]:
            full = _unlike(old, new)
            first, then = _verdict(was, full=full), _verdict(now, full=full)
            worse = first in RANKS and then in RANKS and RANKS[then] > RANKS[first]
            lost = first in PROVED and then not in RANKS and name not in excused
            yield Change("expectation", f"{name}: {' → '.join(words)}", worse or lost)


def _unlike(old: SignOff, new: SignOff) -> bool:
    """Whether one of both is of a run with --quick, and the other of a full one."""
    return (old.scope.quick is None) != (new.scope.quick is None)


def _verdict(row: ExpectationRow | None, *, full: bool) -> Verdict | None:
    """The verdict of an expectation; None where there is none.

    ``full`` asks for that over what --quick did not leave out, with weaker samples for full ones:
    the price of --quick is no worse than that of a selection.
    """
    if row is None or not full or row.verdict is Verdict.OUT_OF_SCOPE:
        return row.verdict if row else None
    outcomes = [one.outcome for one in row.scenarios if not one.left_out]
    return of_expectation(outcomes, in_scope=bool(outcomes) or not row.scenarios)


def _overall(document: SignOff) -> Verdict:
    """The verdict of a run, asked for in the same way."""
    scenarios = scenarios_of(document).values()
    outcomes = [one.outcome for one in scenarios if not one.left_out]
    verdicts = (_verdict(row, full=True) for row in document.expectations)
    return overall(
        (verdict for verdict in verdicts if verdict),
        count(outcomes, document.counts.collected - (len(scenarios) - len(outcomes))),
        interrupted=document.interrupted,
        differences=document.reconciliation.differences,
    )


def _scenarios(old: SignOff, new: SignOff) -> Iterator[Change]:
    before, after = _votes(old), _votes(new)
    same = not any(_tested(old, new))
    passed = {node for node, one in before.items() if one.outcome is Outcome.PASSED}
    proved, proves, excused = _proofs(old), _proofs(new), left_out(old, new)
    for node in dict.fromkeys([*before, *after]):
        was, now = before.get(node), after.get(node)
        lost = proved.get(node, set()) - proves.get(node, set()) - excused
        lost = lost if node in passed else set()
        if was is not None and now is not None:
            if was.left_out != now.left_out:
                yield _left_out_otherwise(was, now, worse=not _unlike(old, new))
            else:
                yield from _scenario(was, now, same=same)
            for name in sorted(lost):
                yield Change("proof", f"{name}: no longer by {title_of(now)}", worse=True)
        elif was is not None:
            became = "a finding, which has no vote" if node in _found(new) else "gone"
            yield Change("scenario", f"{title_of(was)}: {became}", worse=bool(lost))
        elif now is not None:
            yield Change("scenario", f"{title_of(now)}: new")


def _proofs(document: SignOff) -> dict[str, set[str]]:
    """The expectations that each scenario, by its node id, proves; a finding proves none."""
    proofs: dict[str, set[str]] = {}
    for row in document.expectations:
        for one in row.scenarios:
            if not one.finding:
                proofs.setdefault(one.node, set()).add(row.id)
    return proofs


def _votes(document: SignOff) -> dict[str, ScenarioRow]:
    """The scenarios that are no findings; before version 1.2 both stood together."""
    return {node: one for node, one in scenarios_of(document).items() if not one.finding}


def _found(document: SignOff) -> dict[str, tuple[str, State]]:
    """What each finding is called and what became of it, by its node id."""
    before_1_2 = [one for one in scenarios_of(document).values() if one.finding]
    all_of_them = [*before_1_2, *(one.scenario for one in document.findings)]
    return {one.node: (title_of(one), state_of(one.outcome)) for one in all_of_them}


def _findings(old: SignOff, new: SignOff) -> Iterator[Change]:
    """What became of findings: nothing that was proved, so nothing is worse."""
    before, after = _found(old), _found(new)
    for node in dict.fromkeys([*before, *after]):
        name, _ = (after | before)[node]
        words = [str(all_[node][1]) if node in all_ else "not there" for all_ in (before, after)]
        if words[0] != words[1]:
            yield Change("finding", f"{name}: {' → '.join(words)}")


def _left_out_otherwise(was: ScenarioRow, now: ScenarioRow, *, worse: bool) -> Change:
    """One that only one of both left out; ``worse`` where neither of them was a full run."""
    words = ("left out by --quick" if one.left_out else one.outcome for one in (was, now))
    lost = worse and was.outcome is Outcome.PASSED
    return Change("scenario", f"{title_of(now)}: {' → '.join(words)}", lost)


def _scenario(was: ScenarioRow, now: ScenarioRow, *, same: bool) -> Iterator[Change]:
    if was.outcome != now.outcome:
        yield _ended_otherwise(was, now, same=same)
    elif _other_time(was.duration_s, now.duration_s):
        times = f"{seconds(was.duration_s)} → {seconds(now.duration_s)}"
        yield Change("time", f"{title_of(now)}: {times}")


def _ended_otherwise(was: ScenarioRow, now: ScenarioRow, *, same: bool) -> Change:
    """One that ends otherwise, though what was tested is the same, is a flake: a defect.

    Not where one of both sampled less.
    """
    worse, same = was.outcome is Outcome.PASSED, same and was.weakened == now.weakened
    text = f"{title_of(now)}: {was.outcome} → {now.outcome}"
    return Change("flake" if same else "scenario", text, worse)


def _other_time(was: float, now: float) -> bool:
    """Whether two times differ, either way, by more than they do of themselves."""
    return abs(was - now) > max(SHARE * max(was, now), SECONDS)
