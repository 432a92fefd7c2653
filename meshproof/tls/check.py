"""tls-check: the table of the removed `istioctl authn tls-check`, from what live proxies have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from meshproof.cluster.cluster import Cluster
from meshproof.errors import EnvironmentBroken, MeshproofError
from meshproof.mesh.admin import ask_proxy
from meshproof.tls.discrepancies import of_client, of_istiod, of_server
from meshproof.tls.envoy import (
    Destination,
    Resources,
    cluster_name,
    destinations,
    endpoints,
    endpoints_query,
    inbound_query,
    loaded_assignments,
    loaded_clusters,
    loaded_listeners,
    outbound,
    outbound_query,
    server_mode,
)
from meshproof.tls.evaluation import Accepting, Row, Sending, judge
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
from meshproof.tls.istiod import (
    CLUSTERS,
    ENDPOINTS,
    LISTENERS,
    ControlPlane,
    Intended,
    Mesh,
    read_control_plane,
    read_intended,
    rule_mode,
)
from meshproof.tls.modes import ClientMode, ServerMode
from meshproof.tls.policies import NOBODY, Applied, read_applied
from meshproof.tls.pushes import await_no_push
from meshproof.tls.survey import Survey, pods_selected, read_survey

#: Proxies that are asked at once.
AT_ONCE = 8
#: A namespace, and labels: whatever selects a pod selects all of its kind.
Kind = tuple[str, frozenset[tuple[str, str]]]
Said = TypeVar("Said")


@dataclass(frozen=True)
class Question:
    """What is asked about one host: the servers of each port, and who is asked as the client."""

    host: Host
    servers: Mapping[int, Sequence[Server]]
    client: Pod


@dataclass(frozen=True)
class Table:
    """The rows of one host; or ``problem``, which is why there are none."""

    host: Host
    rows: tuple[Row, ...] = ()
    problem: MeshproofError | None = None


@dataclass(frozen=True)
class Proxy:
    """What a proxy has loaded, as far as it was asked for, and what istiod would send it.

    ``intended`` is None where it is not connected to istiod.
    """

    listeners: Resources
    clusters: Resources
    assignments: Resources
    mesh: Mesh
    intended: Intended | None


@dataclass(frozen=True)
class Answers:
    """What came of asking, by the pod (``name.namespace``): what was said, or why nothing was.

    ``applied`` are the PeerAuthentications of each server's kind (``_kind``).
    """

    proxies: Mapping[str, Proxy | MeshproofError]
    applied: Mapping[Kind, Applied | MeshproofError]

    def proxy(self, pod: Pod) -> Proxy:
        """Return what a pod's proxy said. Raises ``MeshproofError`` where it did not."""
        return _said(self.proxies[str(pod)])

    def policies(self, pod: Pod) -> Applied:
        """Return what applies to a server. Raises ``MeshproofError`` where Istio did not say."""
        return _said(self.applied[_kind(pod)])


def tls_check(
    cluster: Cluster, hosts: Iterable[str], *, namespace: str, client: str | None = None
) -> list[Table]:
    """Return a table for each host, as typed; ``namespace`` is that of names without one.

    ``client`` is the workload (a Deployment or a pod, NAME or NAME.NAMESPACE) whose
    proxy is asked as the client; without, one is chosen for each host. Nothing is
    changed. A host that is not there or cannot be read has its ``problem``, and costs
    the others nothing. Raises ``UsageFailure`` for what cannot be a host, and for a
    client that is not there, ``EnvironmentBroken`` where the cluster or istiod does
    not answer.
    """
    asked = list(dict.fromkeys(parse_host(text, namespace) for text in hosts))
    named = parse_client(client, namespace) if client else None
    namespaces = {host.namespace for host in asked} | ({named[1]} if named else set())
    survey = read_survey(cluster, namespaces)
    chosen = None
    if named:
        place = survey.place(named[1])
        chosen = named_client(*named, place.pods, place.deployments, place.replica_sets)
    questions = [_question(cluster, host, survey, chosen) for host in asked]
    answers = _ask(cluster, survey, [q for q in questions if isinstance(q, Question)])
    return [
        _table(question, answers, survey)
        if isinstance(question, Question)
        else Table(host, problem=question)
        for host, question in zip(asked, questions, strict=True)
    ]


def rows(question: Question, answers: Answers, survey: Survey) -> list[Row]:
    """Put a host's table together: a row a port, and one for each subset that differs from it.

    Raises ``MeshproofError`` where a proxy did not answer, or said what cannot be
    read, or the client cannot reach the host at all.
    """
    client = answers.proxy(question.client)
    loaded = destinations(client.clusters, str(question.host))
    found: list[Row] = []
    for port, servers in question.servers.items():
        whole = Destination(str(question.host), port)
        if whole not in loaded:
            raise EnvironmentBroken(
                f"The proxy of pod {question.client} has no way to {whole}: "
                "choose another client with --client."
            )
        side = [_accepting(server, answers, survey) for server in servers]
        parts: list[Row] = []
        remarks = []
        for destination in loaded:
            if destination.port != port or not destination.subset:
                continue
            sending = _sending(question.client, destination, client)
            own = [accepting for accepting in side if sending.knows(accepting.pod)]
            if own:
                parts.append(judge(destination, own, sending))
            else:
                remarks.append(f"subset {destination.subset} has no ready pod for this port")
        first = judge(whole, side, _sending(question.client, whole, client), remarks=remarks)
        found += [first, *(row for row in parts if row.adds_to(first))]
    return found


def _table(question: Question, answers: Answers, survey: Survey) -> Table:
    try:
        return Table(question.host, tuple(rows(question, answers, survey)))
    except MeshproofError as problem:
        return Table(question.host, problem=problem)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # A shape that no reader here knows: it may be this host's alone.
        return Table(
            question.host,
            problem=EnvironmentBroken(
                f"What istiod and the proxies say of {question.host} is not what tls-check can "
                f"read: {type(error).__name__} {error}."
            ),
        )


def _said(said: Said | MeshproofError) -> Said:
    if isinstance(said, MeshproofError):
        raise said
    return said


def _kind(pod: Pod) -> Kind:
    return pod.namespace, frozenset(pod.labels.items())


def _accepting(server: Server, answers: Answers, survey: Survey) -> Accepting:
    pod, port = server.pod, server.port
    policy = answers.policies(pod).at(port, survey.policies)
    if not pod.proxied or pod.goes_round(port):
        return Accepting(pod, ServerMode.DISABLE, policy, kept=False)
    proxy = answers.proxy(pod)
    try:
        mode = server_mode(proxy.listeners, port)
        drift = of_server(pod, port, policy, proxy.listeners, proxy.intended)
    except ValueError as error:
        raise _unreadable(pod, error) from error
    return Accepting(pod, mode, policy, drift=drift)


def _sending(pod: Pod, destination: Destination, proxy: Proxy) -> Sending:
    name = cluster_name(destination)
    try:
        loaded = outbound(proxy.clusters[name])
        drift = of_client(pod, destination, proxy.clusters, proxy.assignments, proxy.intended)
    except ValueError as error:
        raise _unreadable(pod, error) from error
    rules = proxy.intended.rules.get(destination.host, []) if proxy.intended else []
    mode = rule_mode(rules, loaded.rule, destination.port, destination.subset)
    # A rule that istiod does not name any more is taken for one that tells the client.
    told = loaded.rule != NOBODY and mode != ""
    automatic = loaded.mode is ClientMode.NONE or (not told and proxy.mesh.auto_mtls)
    if mode and not drift:
        drift = of_istiod(pod, loaded, mode)
    return Sending(pod, loaded, endpoints(proxy.assignments.get(name, {})), automatic, drift)


def _question(
    cluster: Cluster, host: Host, survey: Survey, client: Pod | None
) -> Question | MeshproofError:
    """Return what is to be asked about a host, or why nothing can be."""
    try:
        place = survey.place(host.namespace)
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
    except MeshproofError as problem:
        return problem
    return Question(host, servers, client)


def _ask(cluster: Cluster, survey: Survey, questions: Sequence[Question]) -> Answers:
    """Ask every proxy that is concerned, each once, and istiod what it would send each.

    Raises ``EnvironmentBroken`` where no istiod answers.
    """
    pods: dict[str, Pod] = {}
    servers: set[str] = set()
    hosts: dict[str, set[str]] = {}
    kinds: dict[Kind, Pod] = {}
    for question in questions:
        for server in (server for group in question.servers.values() for server in group):
            kinds.setdefault(_kind(server.pod), server.pod)
            if server.pod.proxied:
                pods[str(server.pod)] = server.pod
                servers.add(str(server.pod))
        pods[str(question.client)] = question.client
        hosts.setdefault(str(question.client), set()).add(str(question.host))
    if not pods:
        return Answers({}, {})

    def ask_envoy(name: str) -> tuple[Resources, Resources, Resources]:
        queries = [inbound_query()] if name in servers else []
        if name in hosts:
            queries += [outbound_query(hosts[name]), endpoints_query(hosts[name])]
        said = ask_proxy(cluster, pods[name].namespace, pods[name].name, queries)
        listeners = loaded_listeners(said.pop(0)) if name in servers else {}
        clusters, assignments = said or ({}, {})
        return listeners, loaded_clusters(clusters), loaded_assignments(assignments)

    def ask_plane(name: str, plane: ControlPlane) -> Intended | None:
        connection = plane.connection(name)
        if connection is None:
            return None
        types = [LISTENERS] * (name in servers) + [CLUSTERS, ENDPOINTS] * (name in hosts)
        return read_intended(cluster, connection, types)

    def ask_istioctl(pod: Pod, plane: ControlPlane) -> Applied | MeshproofError:
        if not survey.policies:
            return Applied()
        found = plane.connections.get(str(pod))
        namespace = found.istiod[0] if found else min(istiods)[0]
        try:
            return read_applied(cluster, pod.namespace, pod.name, namespace)
        except MeshproofError as problem:
            return problem

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        loaded = {name: pool.submit(ask_envoy, name) for name in pods}
        istiods = [(pod.namespace, pod.name) for pod in survey.istiods]
        plane = read_control_plane(cluster, istiods)
        # Those first that take longest.
        applied = {kind: pool.submit(ask_istioctl, pod, plane) for kind, pod in kinds.items()}
        asked = filter(None, map(plane.connections.get, pods))
        await_no_push(cluster, {connection.istiod for connection in asked})
        intended = {name: pool.submit(ask_plane, name, plane) for name in pods}
        return Answers(
            {name: _both(pods[name], plane, loaded[name], intended[name]) for name in pods},
            {kind: said.result() for kind, said in applied.items()},
        )


def _both(
    pod: Pod,
    plane: ControlPlane,
    loaded: Future[tuple[Resources, Resources, Resources]],
    intended: Future[Intended | None],
) -> Proxy | MeshproofError:
    """Put together what a proxy has and what it should have, or say why that cannot be."""
    connection = plane.connections.get(str(pod))
    mesh = connection.mesh if connection else plane.mesh
    try:
        return Proxy(*loaded.result(), mesh, intended.result())
    except MeshproofError as problem:
        return problem
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        return _unreadable(pod, error)


def _unreadable(pod: Pod, error: Exception) -> EnvironmentBroken:
    return EnvironmentBroken(f"The proxy of pod {pod} has what tls-check cannot read: {error}.")
