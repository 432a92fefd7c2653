"""Capturing packets on the nodes, by the tcpdump of the node image (T4)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, cast
from uuid import uuid4

from meshproof.analysis.wire import Place
from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import get
from meshproof.cluster.pods import pod_state
from meshproof.cluster.shape import INGRESS_GATEWAY
from meshproof.engine.engine import Engine
from meshproof.errors import EnvironmentBroken
from meshproof.waiting import CAPTURE, NotConverged, converge

#: Runs in the node with the filter as its argument. It ends when its standard input does,
#: so nothing is left behind where the harness is killed. Each line that it reads it sends
#: as a packet of its own: once that one is captured, so is everything before it.
#: Not in immediate mode: it keeps as much memory for each packet as the largest one takes, and
#: of a burst on a busy machine drops some. So a packet may be written a second after it came.
TCPDUMP = """
tcpdump -i any -n -U -s 0 -B 16384 -w - "$1" &
while read -r line; do echo "$line" >/dev/udp/127.0.0.1/9; done
kill $!
wait $!
"""
OWN_PACKETS = "udp and dst host 127.0.0.1 and dst port 9"
LISTENING = "listening on"
#: Seconds that tcpdump may take to end; it takes some 30 ms.
END_TIMEOUT = 20.0


@dataclass(frozen=True)
class Captured:
    """What was captured on a node, and what tcpdump said of it."""

    node: str
    filter: str
    pcap: bytes
    said: str

    @property
    def complete(self) -> bool:
        """Whether tcpdump ended well and says that nothing was dropped."""
        dropped = {what: n for what, n in self.statistics.items() if what.startswith("dropped")}
        return bool(dropped) and not any(dropped.values())

    @property
    def statistics(self) -> dict[str, int]:
        """What tcpdump counted: packets ``captured``, ``received by filter``, ``dropped by …``."""
        counts = re.findall(r"^(\d+) packets? (.+)$", self.said, re.MULTILINE)
        return {what: int(count) for count, what in counts}

    def __str__(self) -> str:
        """Return the capture in a line."""
        counts = ", ".join(f"{count} {what}" for what, count in self.statistics.items())
        return f"packets on node {self.node}: {counts}"


def places(cluster: Cluster, namespace: str) -> list[Place]:
    """Say where the pods of a namespace, and those of the ingress gateway, are."""
    found = []
    gateways = cluster.mesh.gateway.pods_path
    for path in (f"/api/v1/namespaces/{namespace}/pods", gateways):
        for item in get(cluster, path)["items"]:
            pod, address = pod_state(item), item["status"].get("podIP")
            # A gateway's pods may be called anything; features know it by one name.
            workload = INGRESS_GATEWAY if path == gateways else pod.workload
            if address:
                found.append(Place(workload, pod.name, address, item["spec"]["nodeName"]))
    return found


def packet_filter(addresses: Iterable[str]) -> str:
    """Return tcpdump's expression for TCP from any of these addresses to any of them."""
    listed = sorted(set(addresses))
    sources = " or ".join(f"src host {address}" for address in listed)
    targets = " or ".join(f"dst host {address}" for address in listed)
    return f"(tcp and ({sources}) and ({targets})) or ({OWN_PACKETS})"


def capture(
    engine: Engine | None, where: Iterable[Place], during: Callable[[], object]
) -> list[Captured]:
    """Capture the TCP packets between pods, on all of their nodes, while ``during`` runs.

    Raises ``EnvironmentBroken`` where that is not possible, and where packets were dropped:
    nothing can be said of what was not seen.
    """
    if engine is None:
        raise EnvironmentBroken(
            "Packets are captured in the nodes' containers, and no container engine answers here."
        )
    expression = packet_filter(place.address for place in where)
    with TemporaryDirectory() as folder:
        with ExitStack() as stack:
            running = [
                stack.enter_context(_tcpdump(engine, node, expression, Path(folder)))
                for node in sorted({place.node for place in where})
            ]
            during()
            for one in running:
                one.catch_up()
        done = [one.captured() for one in running]
    for captured in done:
        if not captured.complete:
            raise EnvironmentBroken(
                f"Packets may be missing from the capture on node {captured.node}, so nothing "
                "can be said of what went between pods.",
                captured.said,
            )
    return done


@dataclass(frozen=True)
class _Tcpdump:
    """A tcpdump that runs in a node, with its output in files here."""

    node: str
    filter: str
    pcap: Path
    said: Path
    process: subprocess.Popen[bytes]
    input: IO[bytes]

    def catch_up(self) -> None:
        """Wait until all that was sent so far is captured. Raises ``EnvironmentBroken``."""
        last = f"last-packet-{uuid4().hex}"
        self.input.write(f"{last}\n".encode())
        self.await_output(self.pcap, last)

    def await_output(self, file: Path, text: str) -> None:
        """Wait until tcpdump has written something. Raises ``EnvironmentBroken``."""

        def there() -> bool:
            if self.process.poll() is not None:
                raise self._broken()
            return text.encode() in file.read_bytes()

        try:
            converge(there, until=bool, what=f"tcpdump writes “{text}”", timeout=CAPTURE)
        except NotConverged as error:
            raise self._broken() from error

    def captured(self) -> Captured:
        """What it wrote."""
        return Captured(self.node, self.filter, self.pcap.read_bytes(), self.said.read_text())

    def _broken(self) -> EnvironmentBroken:
        return EnvironmentBroken(
            f"Packets cannot be captured on node {self.node} by {self.process.args!r}.",
            self.said.read_text(),
        )


@contextmanager
def _tcpdump(engine: Engine, node: str, expression: str, folder: Path) -> Iterator[_Tcpdump]:
    pcap, said = folder / f"{node}.pcap", folder / f"{node}.txt"
    command = ("exec", "--interactive", node, "bash", "-c", TCPDUMP, "capture", expression)
    with engine.start(*command, stdout=pcap, stderr=said) as process:
        stdin = cast("IO[bytes]", process.stdin)  # a pipe, as it was started
        try:
            one = _Tcpdump(node, expression, pcap, said, process, stdin)
            one.await_output(said, LISTENING)
            yield one
        finally:
            stdin.close()
            try:
                process.wait(END_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()  # its last words are missing then, which is noticed
