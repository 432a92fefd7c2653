"""tls-check: the table of the removed `istioctl authn tls-check`, from what live proxies have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from meshproof.cluster.cluster import Cluster
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.admin import ask_proxy
from meshproof.tls.envoy import (
    Destination,
    Json,
    Outbound,
    endpoints,
    endpoints_query,
    inbound_query,
    outbound,
    outbound_query,
    refused_update,
    server_mode,
)
from meshproof.tls.hosts import (
    Host,
    Pod,
    Server,
    choose_client,
    find_service,
    front_pods,
    gateways_to,
    named_client,
    parse_client,
    parse_host,
    ports_of,
    servers_of,
)
from meshproof.tls.judge import Accepting, Row, Sending, judge
from meshproof.tls.modes import ServerMode
from meshproof.tls.survey import Survey, pods_selected, read_survey
from meshproof.tls.wanted import Rule, client_rule, expected, namespace_mode, server_policy

#: Proxies that are asked at once.
AT_ONCE = 8


@dataclass(frozen=True)
class Question:
    """What is asked about one host: the servers of each port, and who is asked as the client."""

    host: Host
    servers: Mapping[int, Sequence[Server]]
    client: Pod


@dataclass(frozen=True)
class Table:
    """The rows of one host."""

    host: Host
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Answers:
    """What proxies said, by the pod (``name.namespace``): servers and clients."""

    inbound: dict[str, Json] = field(default_factory=dict)
    outbound: dict[str, dict[Destination, Outbound]] = field(default_factory=dict)
    endpoints: dict[str, dict[Destination, dict[str, bool]]] = field(default_factory=dict)


def tls_check(
    cluster: Cluster, hosts: Iterable[str], *, namespace: str, client: str | None = None
) -> list[Table]:
    """Return a table for each host, as typed; ``namespace`` is that of names without one.

    ``client`` is the workload (a Deployment or a pod, NAME or NAME.NAMESPACE) whose
    proxy is asked as the client; without, one is chosen for each host. Nothing is
    changed. Raises ``UsageFailure`` for what is not there, ``EnvironmentBroken``
    where the cluster or a proxy does not answer.
    """
    asked = list(dict.fromkeys(parse_host(text, namespace) for text in hosts))
    named = parse_client(client, namespace) if client else None
    namespaces = {host.namespace for host in asked} | ({named[1]} if named else set())
    survey = read_survey(cluster, namespaces)
    chosen = None
    if named:
        place = survey.places[named[1]]
        chosen = named_client(*named, place.pods, place.deployments)
    questions = [_question(cluster, host, survey, chosen) for host in asked]
    answers = _ask(cluster, questions)
    return [Table(q.host, tuple(rows(q, answers, survey))) for q in questions]


def rows(question: Question, answers: Answers, survey: Survey) -> list[Row]:
    """Put a host's table together: a row a port, and one for each subset that differs from it.

    Raises ``EnvironmentBroken`` where a proxy said what cannot be read, or the
    client cannot reach the host at all.
    """
    client = question.client
    rule = client_rule(
        survey.rules,
        survey.mesh,
        str(question.host),
        service=question.host.namespace,
        client=client.namespace,
        labels=client.labels,
    )
    loaded = answers.outbound[str(client)]
    found: list[Row] = []
    for port, servers in question.servers.items():
        whole = Destination(str(question.host), port)
        if whole not in loaded:
            raise EnvironmentBroken(
                f"The proxy of pod {client} has no way to {whole}: "
                "choose another client with --client."
            )
        side = {server.pod.name: _accepting(server, answers, survey) for server in servers}
        loaded_subsets = sorted(d for d in loaded if d.subset and d[:2] == whole[:2])
        parts: list[Row] = []
        remarks = []
        for destination in loaded_subsets:
            if destination.subset not in rule.names:
                continue  # named among the disagreements of the whole host
            sending = _sending(question, destination, answers, rule, survey)
            own = [accepting for accepting in side.values() if sending.knows(accepting.pod)]
            if own:
                parts.append(judge(destination, own, sending))
            else:
                remarks.append(f"subset {destination.subset} has no ready pod for this port")
        first = judge(
            whole,
            list(side.values()),
            _sending(question, whole, answers, rule, survey),
            disagreements=_subset_drift(rule, {d.subset for d in loaded_subsets}, client),
            remarks=remarks,
        )
        found += [first, *(row for row in parts if row.adds_to(first))]
    return found


def _subset_drift(rule: Rule, loaded: set[str], client: Pod) -> list[str]:
    """Say which subsets are in the objects or in the client's proxy alone."""
    return [
        f"DestinationRule {rule.name} has subset {name}, "
        f"which is not loaded in the proxy of client {client}"
        for name in sorted(rule.names - loaded)
    ] + [
        f"no DestinationRule that counts has subset {name}, "
        f"which is loaded in the proxy of client {client}"
        for name in sorted(loaded - rule.names)
    ]


def _accepting(server: Server, answers: Answers, survey: Survey) -> Accepting:
    pod = server.pod
    policy = server_policy(survey.policies, survey.mesh, pod.namespace, pod.labels, server.port)
    if not pod.proxied or pod.goes_round(server.port):
        return Accepting(pod, ServerMode.DISABLE, policy, kept=False)
    dump = answers.inbound[str(pod)]
    try:
        return Accepting(pod, server_mode(dump, server.port), policy, refused=refused_update(dump))
    except ValueError as error:
        raise _unreadable(pod, error) from error


def _sending(
    question: Question, destination: Destination, answers: Answers, rule: Rule, survey: Survey
) -> Sending:
    pod = question.client
    loaded = answers.outbound[str(pod)][destination]
    wanted = rule.mode(destination.port, destination.subset)
    around = namespace_mode(survey.policies, survey.mesh, question.host.namespace)
    return Sending(
        pod,
        loaded,
        answers.endpoints[str(pod)].get(destination, {}),
        wanted,
        rule.name,
        frozenset(expected(wanted, survey.mesh, around, by_address=loaded.by_address)),
        survey.mesh.auto_mtls,
    )


def _question(cluster: Cluster, host: Host, survey: Survey, client: Pod | None) -> Question:
    place = survey.places[host.namespace]
    service = find_service(host, place.services)
    servers = {
        port["port"]: servers_of(host, port, place.slices, place.pods)
        for port in ports_of(host, service)
    }
    if client is None:
        routing = (survey.virtual_services, survey.gateways)
        client = choose_client(
            host,
            [server for group in servers.values() for server in group],
            gateway_pods=pods_selected(cluster, gateways_to(host, *routing)),
            fronts=front_pods(host.namespace, place.services, place.pods, *routing),
            pods=place.pods,
        )
    return Question(host, servers, client)


def _ask(cluster: Cluster, questions: Sequence[Question]) -> Answers:
    """Ask every proxy that is concerned, each once, for all that it is asked about."""
    pods: dict[str, Pod] = {}
    servers: set[str] = set()
    hosts: dict[str, set[str]] = {}
    for question in questions:
        for server in (server for group in question.servers.values() for server in group):
            if server.pod.proxied:
                pods[str(server.pod)] = server.pod
                servers.add(str(server.pod))
        pods[str(question.client)] = question.client
        hosts.setdefault(str(question.client), set()).add(str(question.host))
    answers = Answers()

    def ask(name: str) -> None:
        pod = pods[name]
        queries = [inbound_query()] if name in servers else []
        if name in hosts:
            queries += [outbound_query(hosts[name]), endpoints_query(hosts[name])]
        said = ask_proxy(cluster, pod.namespace, pod.name, queries)
        try:
            if name in hosts:
                answers.endpoints[name] = endpoints(said.pop())
                answers.outbound[name] = outbound(said.pop())
        except (ValueError, KeyError) as error:
            raise _unreadable(pod, error) from error
        if name in servers:
            answers.inbound[name] = said.pop()

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        list(pool.map(ask, pods))
    return answers


def _unreadable(pod: Pod, error: Exception) -> EnvironmentBroken:
    return EnvironmentBroken(f"The proxy of pod {pod} has what tls-check cannot read: {error}.")
