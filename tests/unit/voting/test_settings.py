from __future__ import annotations

import subprocess
import sys

import pytest
from voting.__main__ import main, store_of
from voting.settings import RELEASES, Address, Component, MySql, Settings, SettingsError
from voting.store import Store
from voting.store.mysql import MySqlStore
from voting.store.redis import RedisStore

from meshproof.paths import PROJECT

APP = {"VOTING_COMPONENT": "app", "VOTING_VERSION": "1.0"}


def test_defaults_are_those_of_the_tutorial() -> None:
    settings = Settings.from_environment(APP)
    assert settings.component is Component.APP
    assert settings.listen == Address("0.0.0.0", 8080)
    assert settings.analytics_url == "http://voting-analytics:8080/analytics"
    assert settings.redis == Address("voting-storage", 6379)
    assert settings.mysql == MySql(Address("voting-storage", 3306), "voting", "voting", "")
    assert settings.drain == 5
    assert settings.log_level == "INFO"


def test_silent_store_is_noticed_before_the_analytics_that_waits_for_it() -> None:
    settings = Settings.from_environment(APP)
    assert settings.store_timeout < settings.analytics_timeout


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VOTING_COMPONENT", "storage"),
        ("VOTING_VERSION", "9.9"),
        ("VOTING_LISTEN", "8080"),
        ("VOTING_REDIS_ADDRESS", "voting-storage:0"),
        ("VOTING_REDIS_ADDRESS", "voting-storage:65536"),
        ("VOTING_REDIS_ADDRESS", "voting-storage:²"),
        ("VOTING_MYSQL_ADDRESS", "voting-storage"),
        ("VOTING_ANALYTICS_URL", "voting-analytics:8080"),
        ("VOTING_DRAIN_SECONDS", "soon"),
        ("VOTING_DRAIN_SECONDS", "-1"),
        ("VOTING_DRAIN_SECONDS", "nan"),
        ("VOTING_LOG_LEVEL", "loud"),
    ],
)
def test_unusable_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is "):
        Settings.from_environment(APP | {name: value})


@pytest.mark.parametrize("name", APP)
def test_component_and_version_have_no_default(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is ''"):
        Settings.from_environment({key: APP[key] for key in APP if key != name})


def test_wrong_setting_ends_the_process_with_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOTING_COMPONENT", raising=False)
    with pytest.raises(SystemExit, match=r"^voting: VOTING_COMPONENT is ''; .*\.$"):
        main()


STORES: dict[str, type[Store]] = {"1.0": RedisStore, "1.1": RedisStore, "2.0": MySqlStore}
DATABASE = {
    "VOTING_MYSQL_DATABASE": "d",
    "VOTING_MYSQL_USER": "u",
    "VOTING_MYSQL_PASSWORD": "p",
}


@pytest.mark.parametrize("version", RELEASES)
def test_every_version_has_its_store(version: str) -> None:
    settings = Settings.from_environment(APP | {"VOTING_VERSION": version} | DATABASE)
    assert type(store_of(settings)) is STORES[version]


@pytest.mark.parametrize(
    ("version", "here", "not_here"), [("1.1", "redis", "aiomysql"), ("2.0", "aiomysql", "redis")]
)
def test_a_process_has_the_client_of_its_own_store_alone(
    version: str, here: str, not_here: str
) -> None:
    code = (
        "import os, sys; from voting.__main__ import store_of;"
        "from voting.settings import Settings;"
        "store_of(Settings.from_environment(os.environ)); print(*sys.modules)"
    )
    environment = APP | {"VOTING_VERSION": version} | DATABASE
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "PYTHONPATH": str(PROJECT / "images" / "voting")},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    assert here in ran.stdout.split() and not_here not in ran.stdout.split()


def test_version_2_keeps_votes_in_mysql_and_never_shows_the_password() -> None:
    settings = Settings.from_environment(
        APP
        | {
            "VOTING_VERSION": "2.0",
            "VOTING_MYSQL_ADDRESS": "db:1",
            "VOTING_MYSQL_DATABASE": "d",
            "VOTING_MYSQL_USER": "u",
            "VOTING_MYSQL_PASSWORD": "hidden",
        }
    )
    assert settings.release.store == "mysql"
    assert settings.mysql == MySql(Address("db", 1), "d", "u", "hidden")
    assert "hidden" not in repr(settings)
