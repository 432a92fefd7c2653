"""What published commands print, held against what the tutorial says that they print."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from meshproof.analysis.observation import Observation, unless
from meshproof.cluster.objects import Objects, live_objects
from meshproof.errors import PromiseBroken
from meshproof.process import Completed
from meshproof.suite.stages import output_lines
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import in_turn, listed, number

ADDRESS_COMMAND = (
    "kubectl -n istio-system get service istio-ingressgateway "
    "-o jsonpath='{.status.loadBalancer.ingress[0].ip}'"
)
#: As published, with the address and the number filled in.
LOOP = "INGRESS_IP={address}\nfor i in {{1..{count}}}; do curl -si $INGRESS_IP | grep results; done"
#: That lines may come in any order, as a feature says it.
ANY = "any"
#: `deployment.apps/web-1-0 created`
CREATED = re.compile(r"(\w+)[\w.]*/(\S+) created")


def address_in(printed: str) -> str:
    """The IP address that a command printed. Raises ``PromiseBroken`` where it is none."""
    try:
        return str(ipaddress.ip_address(printed.strip()))
    except ValueError:
        said = f"“{printed.strip()}”" if printed.strip() else "nothing"
        raise PromiseBroken(f"the command printed {said}, and no IP address") from None


def run_loop(tutorial: Tutorial, address_command: str, count: int) -> list[str]:
    """Run the tutorial's own loop of requests, and return the lines that it prints.

    Raises ``PromiseBroken`` where the command for the address prints none.
    """
    address = address_in(tutorial.run(address_command).stdout)
    loop = LOOP.format(address=address, count=count)
    return output_lines(tutorial.run(shlex.join(["bash", "-c", loop])).stdout)


def output_of(commands: Sequence[Completed], file: str) -> list[str]:
    """Return the lines that the commands with a file printed, of all of them together.

    Raises ``PromiseBroken`` where no command names the file.
    """
    with_file = [done for done in commands if file in done.argv]
    if not with_file:
        ran = in_turn(done.command_line for done in commands)
        raise PromiseBroken(f"no command with {file} was run, only {ran}")
    return [line for done in with_file for line in output_lines(done.stdout)]


def printed_by(commands: Sequence[Completed], file: str, order: str) -> list[str]:
    """Return the lines of the first command with a file, or in ``ANY`` order those of all of them.

    Raises as `output_of`.
    """
    first = next(([done] for done in commands if file in done.argv), commands)
    return output_of(commands if order == ANY else first, file)


def held_against(file: str, printed: list[str], listing: str, order: str) -> Observation:
    """Hold what was printed against the tutorial's list: line by line, or in ``ANY`` order."""
    wanted = output_lines(listing)
    same = sorted(printed) == sorted(wanted) if order == ANY else printed == wanted
    return Observation(
        results=[f"kubectl printed {number(len(printed), 'line')} for {file}: {said(printed)}."],
        details=[f"{file}: {', '.join(printed)}"],
        problems=unless(same, beside(printed, wanted)),
    )


def said(lines: list[str]) -> str:
    """How many of the lines that kubectl printed say what: “6 created”."""
    return listed(f"{n} {word}" for word, n in Counter(x.split()[-1] for x in lines).items())


def beside(printed: list[str], expected: list[str]) -> str:
    """What was printed beside what was expected of it, and what was not."""
    more, less = Counter(printed) - Counter(expected), Counter(expected) - Counter(printed)
    return (
        f"not expected: {in_order(more.elements())}; not printed: {in_order(less.elements())}; "
        f"printed in all: {in_turn(printed, 'nothing')}"
    )


def in_order(names: Iterable[str]) -> str:
    """All of these names, sorted, as a sentence lists them."""
    found = sorted(names)
    return listed(found, most=len(found))


def created_in(printed: Iterable[str]) -> set[str]:
    """The objects that lines of kubectl's say were created: `deployment/web-1-0`."""
    return {f"{match[1]}/{match[2]}" for match in map(CREATED.fullmatch, printed) if match}


def new_against_created(
    tutorial: Tutorial, before: Objects, printed: Iterable[str], kinds: Collection[str] = ()
) -> Observation:
    """Hold the objects that came to a namespace against those that were printed as created.

    Of these ``kinds`` alone, where any are named: beside the command that printed, others may have
    brought what it needs.
    """
    came = live_objects(tutorial.cluster, tutorial.namespace).keys() - before.keys()
    found = {f"{kind.lower()}/{name}" for kind, name in came if not kinds or kind in kinds}
    named = created_in(printed)
    return Observation(
        details=[f"{len(before)} objects before, and since then {listed(sorted(found))}"],
        problems=unless(found == named, f"came: {in_order(found)}; created: {in_order(named)}"),
    )


def label_of_namespace(tutorial: Tutorial, label: str, value: str) -> Observation:
    """Read a label of the namespace; that for injection as this mesh has it."""
    label, value = tutorial.cluster.mesh.label(label, value)
    namespace = live_objects(tutorial.cluster, tutorial.namespace)["Namespace", tutorial.namespace]
    labels = namespace["metadata"]["labels"]
    told = listed(f"{name}={text}" for name, text in labels.items())
    told = f"labels of namespace {tutorial.namespace}: {told}"
    return Observation(
        results=[f"The namespace carries {label}={labels.get(label, 'nothing')}."],
        details=[told],
        problems=unless(labels.get(label) == value, told),
    )
