"""What pods' logs still hold: a node puts away what is older, and hands out the newest part alone.

The kubelet begins a new file once one has grown to ``containerLogMaxSize``, and the API server
reads no other. What was logged a moment before is out of reach then, though it was logged.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from meshproof.cluster.cluster import Cluster
from meshproof.errors import EnvironmentBroken
from meshproof.waiting import NotConverged
from meshproof.wording import in_turn

#: Logs asked at once.
AT_ONCE = 8
#: Bytes; a line's time, which the kubelet puts before it, takes 30 or so.
BEGINNING = 36


def begins_within(first: str, first_within: str) -> bool:
    """Whether a log begins within a span of time, by its first line and its first in that span.

    Lines begin with their time. A log without a line does, too: whoever it is of has logged before.
    """
    return first.partition(" ")[0] == first_within.partition(" ")[0]


def begun_anew(
    cluster: Cluster, namespace: str, containers: Mapping[str, str], seconds: int
) -> list[str]:
    """Name the pods whose log holds nothing older than so many seconds.

    ``containers`` are those whose logs are meant, by pod. Where one has logged before then, as
    each sidecar does when it starts, that was put away. Raises ``ApiException``.
    """

    def anew(pod: str) -> bool:
        def beginning(**within: int) -> str:
            return str(
                cluster.core.read_namespaced_pod_log(
                    pod, namespace, container=containers[pod], timestamps=True,
                    limit_bytes=BEGINNING, **within,
                )
            )  # fmt: skip

        # The later one first: what is put away between the two looks alike in neither.
        within = beginning(since_seconds=seconds)
        return begins_within(beginning(), within)

    pods = sorted(containers)
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return [pod for pod, so in zip(pods, pool.map(anew, pods), strict=True) if so]


@contextmanager
def whole_logs(
    cluster: Cluster, namespace: str, containers: Mapping[str, str], begun: float
) -> Iterator[None]:
    """Wait within this for what containers, by pod, log of what was begun once they ran.

    ``begun`` is a moment of `time.monotonic`. Raises ``EnvironmentBroken`` in place of the wait's
    ``NotConverged`` where a log begins later: what is missing may be in what was put away.
    """
    try:
        yield
    except NotConverged as late:
        seconds = math.ceil(time.monotonic() - begun)
        if pods := begun_anew(cluster, namespace, containers, seconds):
            raise EnvironmentBroken(
                f"The logs of {in_turn(pods)} begin after what is looked for in them: their nodes "
                "have put the older part away (the kubelet's containerLogMaxSize); run it again, "
                "or have them keep more.",
                str(late),
            ) from late
        raise
