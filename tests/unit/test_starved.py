from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.pods import PodState
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.starved import StarvedProxies, starved

#: As Envoy 1.40 says it.
ABORTED = (
    "critical\tenvoy assert source/common/filesystem/inotify/watcher_impl.cc:25\tassert failure: "
    "inotify_fd_ >= 0. Details: Consider increasing value of fs.inotify.max_user_watches and/or "
    "fs.inotify.max_user_instances via sysctl\tthread=17\nerror\tEnvoy exited with error\n"
)
#: As the agent of Istio 1.31 says it.
ENDED = (
    "Error: failed to start default Istio SDS server: failed to start workload secret manager "
    "couldn't initialize inotify: too many open files\n"
)
OTHER = "error\tEnvoy exited with error: signal: killed\n"
POD = PodState(
    "app-1", "voting-app", "1.0", "Running", ready=1, containers=2, restarts=1, proxied=True,
    stopping=False,
)  # fmt: skip


def test_what_envoy_and_its_agent_say_where_they_get_no_instance() -> None:
    assert starved(ABORTED)
    assert starved(ENDED)
    assert not starved("inotify works\nerror\taccept: too many open files\n")
    assert not starved(OTHER)
    assert not starved("")


class Logs:
    """What the proxies said before they were restarted, and which were asked for."""

    def __init__(self, said: str | None) -> None:
        self.said, self.read = said, 0
        core = SimpleNamespace(read_namespaced_pod_log=self.log)
        self.proxies = StarvedProxies(cast("Cluster", SimpleNamespace(core=core)), "voting")

    def log(self, name: str, namespace: str, **options: Any) -> str:
        assert (name, namespace, options["container"]) == ("app-1", "voting", "istio-proxy")
        assert options["previous"]
        self.read += 1
        if self.said is None:
            raise ApiException(status=400)
        return self.said


@pytest.mark.parametrize("said", [ABORTED, ENDED])
def test_a_proxy_that_ended_for_want_of_it_says_nothing_of_a_promise(said: str) -> None:
    with pytest.raises(EnvironmentBroken, match=r"app-1 in voting.*max_user_instances=512"):
        Logs(said).proxies.refuse([POD])


@pytest.mark.parametrize("said", [OTHER, None])
def test_any_other_end_is_judged_as_before_and_read_once_for_each_restart(
    said: str | None,
) -> None:
    logs = Logs(said)
    for _ in range(2):
        logs.proxies.refuse([POD])
    assert logs.read == 1
    logs.proxies.refuse([replace(POD, restarts=2)])
    assert logs.read == 2


@pytest.mark.parametrize("change", [{"restarts": 0}, {"proxied": False}, {"stopping": True}])
def test_no_other_pod_is_looked_into(change: dict[str, Any]) -> None:
    logs = Logs(ABORTED)
    logs.proxies.refuse([replace(POD, **change)])
    assert logs.read == 0
