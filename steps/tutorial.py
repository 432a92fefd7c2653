"""Following the tutorial, and what its commands print and create."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections import Counter
from collections.abc import Iterable

from pytest_bdd import given, parsers, then, when

from meshproof.cluster.objects import live_objects, namespaces_of
from meshproof.environment.options import Options
from meshproof.errors import PromiseBroken
from meshproof.mesh.analysis import complaints
from meshproof.probes.ingress import Ingress
from meshproof.probes.page import read_text
from meshproof.probes.scratch_namespace import delete_all
from meshproof.process import Completed
from meshproof.progress import Progress
from meshproof.run.lanes import MOST, Lane, lane_number
from meshproof.signoff.evidence import Evidence
from meshproof.suite.stages import Objects, output_lines
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import in_turn, number
from meshproof.wording import listed as in_words

ADDRESS_COMMAND = (
    "kubectl -n istio-system get service istio-ingressgateway "
    "-o jsonpath='{.status.loadBalancer.ingress[0].ip}'"
)
#: As published, with the address and the number filled in.
LOOP = "INGRESS_IP={address}\nfor i in {{1..{count}}}; do curl -si $INGRESS_IP | grep results; done"
RESULTS = ('<div id="results"> ', " </div>")
#: `deployment.apps/voting-app-1-0 created`
CREATED = re.compile(r"(\w+)[\w.]*/(\S+) created")
#: Requests that must all be refused before the way in is open.
CLOSED_SAMPLES = 20


def address_in(printed: str) -> str:
    """The IP address that a command printed. Raises ``PromiseBroken`` where it is none."""
    try:
        return str(ipaddress.ip_address(printed.strip()))
    except ValueError:
        said = f"“{printed.strip()}”" if printed.strip() else "nothing"
        raise PromiseBroken(f"the command printed {said}, and no IP address") from None


def said(lines: list[str]) -> str:
    """How many of the lines that kubectl printed say what: “6 created”."""
    return in_words(f"{n} {word}" for word, n in Counter(x.split()[-1] for x in lines).items())


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
    return in_words(found, most=len(found))


@given(parsers.parse('the tutorial is followed up to "{stage}"'), target_fixture="commands")
@when(parsers.parse('the tutorial is followed up to "{stage}"'), target_fixture="commands")
@when(parsers.parse('the tutorial is followed on to "{stage}"'), target_fixture="commands")
def _(tutorial: Tutorial, stage: str) -> list[Completed]:
    return tutorial.follow_to(stage)


@then(parsers.parse('the namespace carries the label "{label}" with the value "{value}"'))
def _(tutorial: Tutorial, evidence: Evidence, label: str, value: str) -> None:
    namespace = live_objects(tutorial.cluster, tutorial.namespace)["Namespace", tutorial.namespace]
    labels = namespace["metadata"]["labels"]
    told = in_words(f"{name}={text}" for name, text in labels.items())
    evidence.result(f"The namespace carries {label}={labels.get(label, 'nothing')}.")
    evidence.observe(f"labels of {tutorial.namespace}: {told}")
    assert labels.get(label) == value, f"labels of namespace {tutorial.namespace}: {told}"


@then(parsers.parse('the command with "{file}" printed'), target_fixture="created")
def _(commands: list[Completed], evidence: Evidence, file: str, docstring: str) -> list[str]:
    printed = [output_lines(done.stdout) for done in commands if file in done.argv]
    assert printed, (
        f"no command with {file} was run, only {in_turn(c.command_line for c in commands)}"
    )
    evidence.result(f"The command printed {number(len(printed[0]), 'line')}: {said(printed[0])}.")
    evidence.observe(f"{file}: {', '.join(printed[0])}")
    assert printed[0] == output_lines(docstring), beside(printed[0], output_lines(docstring))
    return printed[0]


@then(parsers.parse('the commands with "{file}" printed in all'))
def _(commands: list[Completed], evidence: Evidence, file: str, docstring: str) -> None:
    printed = [line for done in commands if file in done.argv for line in output_lines(done.stdout)]
    evidence.result(f"The commands printed {number(len(printed), 'line')}: {said(printed)}.")
    evidence.observe(f"{file}: {', '.join(printed)}")
    assert sorted(printed) == sorted(output_lines(docstring)), beside(
        printed, output_lines(docstring)
    )


@given("the namespace's objects are listed", target_fixture="listed")
def _(tutorial: Tutorial) -> Objects:
    return live_objects(tutorial.cluster, tutorial.namespace)


@then("nothing came to the namespace but what this created")
def _(tutorial: Tutorial, listed: Objects, created: list[str], evidence: Evidence) -> None:
    came = live_objects(tutorial.cluster, tutorial.namespace).keys() - listed.keys()
    found = {f"{kind.lower()}/{name}" for kind, name in came}
    named = {f"{match[1]}/{match[2]}" for match in map(CREATED.fullmatch, created) if match}
    evidence.observe(f"{len(listed)} objects before, and since then {in_words(sorted(found))}")
    assert found == named, f"came: {in_order(found)}; created: {in_order(named)}"


@then("these are all the Deployments and Services of the namespace")
def _(tutorial: Tutorial, created: list[str]) -> None:
    live = live_objects(tutorial.cluster, tutorial.namespace)
    found = {("deployment.apps" if kind == "Deployment" else "service", name)
             for kind, name in live if kind in ("Deployment", "Service")}  # fmt: skip
    named = {tuple(line.removesuffix(" created").split("/")) for line in created}
    there, created_here = in_order(map("/".join, found)), in_order(map("/".join, named))
    assert found == named, f"in the namespace: {there}; created: {created_here}"


@then(
    parsers.parse(
        'the PeerAuthentication "{name}" is {mode} and each of the {count:d} DestinationRules {tls}'
    )
)
def _(tutorial: Tutorial, evidence: Evidence, name: str, mode: str, count: int, tls: str) -> None:
    live = live_objects(tutorial.cluster, tutorial.namespace)
    policy = live["PeerAuthentication", name]["spec"]["mtls"]["mode"]
    rules = {
        rule: manifest["spec"].get("trafficPolicy", {}).get("tls", {}).get("mode")
        for (kind, rule), manifest in live.items()
        if kind == "DestinationRule"
    }
    modes = in_words(f"{rule} {tls_mode or 'without a mode'}" for rule, tls_mode in rules.items())
    evidence.result(f"PeerAuthentication {name} is {policy}; DestinationRules: {modes}.")
    assert policy == mode, f"PeerAuthentication {name} is {policy}, not {mode}"
    assert list(rules.values()) == [tls] * count, f"DestinationRules: {modes}"


@when(
    parsers.parse("the tutorial's loop of {count:d} requests is run"), target_fixture="loop_lines"
)
def _(tutorial: Tutorial, curl: None, count: int) -> list[str]:
    address = address_in(tutorial.run(ADDRESS_COMMAND).stdout)
    loop = LOOP.format(address=address, count=count)
    return output_lines(tutorial.run(shlex.join(["bash", "-c", loop])).stdout)


@then(parsers.parse("each of its {count:d} lines shows analytics {versions}"))
def _(loop_lines: list[str], evidence: Evidence, count: int, versions: str) -> None:
    texts = [line.removeprefix(RESULTS[0]).removesuffix(RESULTS[1]) for line in loop_lines]
    read = [(read_text(text) or ("neither",))[0] for text in texts]
    shares = Counter(read)
    evidence.result(
        f"The loop printed {number(len(loop_lines), 'line')}: "
        f"{in_words(f'{n} by analytics {version}' for version, n in sorted(shares.items()))}."
    )
    evidence.observe(f"the loop printed: {'; '.join(texts)}")
    assert len(loop_lines) == count, f"it printed {number(len(loop_lines), 'line')}, not {count}"
    assert set(read) <= set(versions.replace('"', "").split(" or ")), in_turn(texts)


@given("no other lane has pods, which Istio's analysis would take for this namespace's")
def _(tutorial: Tutorial, options: Options, lane: Lane, progress: Progress) -> None:
    # A subset without pods is one only where no namespace of the cluster has pods of its labels.
    others = {lane_number(number, options.namespace).namespace for number in range(MOST)}
    # One of another run's may have such a name, too.
    others &= {*namespaces_of(tutorial.cluster, options.namespace)} - {lane.namespace}
    delete_all(tutorial.cluster, sorted(others), progress)


@when("Istio analyzes the namespace", target_fixture="analysis")
def _(tutorial: Tutorial) -> str:
    done = tutorial.run(f"istioctl analyze -n {tutorial.namespace}", check=False)
    return done.stdout + done.stderr


@then("it finds nothing to complain of")
def _(analysis: str, evidence: Evidence) -> None:
    evidence.result(f"istioctl analyze says: {' '.join(analysis.split())}")
    assert "No validation issues found" in analysis, analysis


@then("Istio's analysis complains of nothing but these")
def _(analysis: str, evidence: Evidence, datatable: list[list[str]]) -> None:
    found, known = complaints(analysis), {(code, of) for code, of in datatable[1:]}
    others = [" ".join(one) for one in found if one not in known]
    evidence.result(
        f"istioctl analyze complains of {number(len(found), 'thing')}, "
        f"{len(others)} of them of anything else."
    )
    evidence.observe(f"istioctl analyze: {', '.join(map(' '.join, found))}")
    assert found or "No validation issues found" in analysis, analysis
    assert not others, f"{number(len(others), 'other complaint')}: {'; '.join(others)}"


@then("Istio's analysis complains of each of these")
def _(analysis: str, evidence: Evidence, datatable: list[list[str]]) -> None:
    found, wanted = complaints(analysis), [(code, of) for code, of in datatable[1:]]
    gone = [" ".join(one) for one in wanted if one not in found]
    evidence.result(f"istioctl analyze complains of {len(wanted) - len(gone)} of {len(wanted)}.")
    assert not gone, f"it does not complain of {len(gone)} of {len(wanted)}: {'; '.join(gone)}"


@given("the page cannot be reached through the ingress")
def _(ingress: Ingress, evidence: Evidence) -> None:
    responses = [ingress.view() for _ in range(CLOSED_SAMPLES)]
    served = [str(response) for response in responses if response.status not in (None, 404)]
    evidence.baseline(
        f"{len(served)} of {CLOSED_SAMPLES} requests were served before; e.g. {responses[0]}."
    )
    assert not served, f"{len(served)} of {CLOSED_SAMPLES} requests were served: {served[0]}"


@then("the page is served through the ingress")
def _(ingress: Ingress, evidence: Evidence) -> None:
    response = ingress.view()
    evidence.result(f"The page is served with {response.status}: {response.page}.")
    assert response.status == 200, str(response)


@when("the tutorial's command for the ingress address is run", target_fixture="address")
def _(tutorial: Tutorial) -> str:
    return tutorial.run(ADDRESS_COMMAND).stdout


@then("it prints an IP address")
def _(address: str, evidence: Evidence) -> None:
    evidence.result(f"The command printed {address.strip() or 'nothing'}.")
    address_in(address)


@then("the page is served at that address")
def _(address: str, evidence: Evidence) -> None:
    response = Ingress(f"http://{address}").view()
    assert response.status == 200, str(response)
    evidence.result(f"The page is served at {address}: {response.page}.")
