"""What the tests against a real API server share: one server for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.environment.environment import workshop
from meshproof.progress import Progress
from tests.api.server import api_server


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The API server, for as long as the tests run."""
    shop = workshop(None, Progress())
    with api_server(shop, tmp_path_factory.mktemp("api")) as cluster:
        yield cluster
