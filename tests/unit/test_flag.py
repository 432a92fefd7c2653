from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshproof.errors import PromiseBroken
from meshproof.paths import PROJECT
from steps.voting.cookie_corpus import KINDS, headers
from steps.voting.cookie_gate import Headers
from steps.voting.flag_cookie import (
    holds_flag,
    read_set_cookie,
    wrongly_cleared,
    wrongly_kept,
    wrongly_set,
)

sys.path.insert(0, str(PROJECT / "images" / "voting"))

from voting.inputs import flag_is_set

SET = "featureflag=on; HttpOnly; Max-Age=900; Path=/; SameSite=Lax"
CLEARED = 'featureflag=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/'


@pytest.mark.parametrize(
    "lines",
    [
        ["featureflag=on"],
        ["a=1; featureflag=on"],
        ["featureflag=on;a=1"],
        ["\t featureflag=on \t;"],
        [";;featureflag=on;;"],
        ["featureflag=off; featureflag=on; featureflag="],
        ["a=1", "featureflag=on"],
        ["featureflag=on", ""],
    ],
)
def test_the_flag_is_held(lines: list[str]) -> None:
    assert holds_flag(lines)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        [" ; ;"],
        ["featureflag"],
        ["featureflag=one"],
        ["featureflag=on2"],
        ["featureflag=off"],
        ["featureflag==on"],
        ["featureflag=on=on"],
        ["featureflag=on,a=1"],
        ["xfeatureflag=on"],
        ["=featureflag=on"],
        ["a=featureflag=on"],
        ["a=1, featureflag=on"],
        ["a=1 featureflag=on"],
        ["FeatureFlag=on"],
        ["featureflag=On"],
        ['featureflag="on"'],
        ["featureflag= on"],
        ["featureflag =on"],
        ["%66eatureflag=on"],
        ["featureflag=", "on"],
        ["featureflag=on\u00a0"],  # blank to Python, and not in a header
    ],
)
def test_the_flag_is_not_held(lines: list[str]) -> None:
    assert not holds_flag(lines)


@given(st.sampled_from(KINDS).flatmap(lambda kind: st.booleans().flatmap(
    lambda flag: headers(kind, flag=flag))))  # fmt: skip
def test_the_application_reads_it_alike(sent: Headers) -> None:
    assert flag_is_set(sent.lines) is holds_flag(sent.lines)


def test_a_set_cookie_header() -> None:
    cookie = read_set_cookie(SET)
    assert (cookie.name, cookie.value) == ("featureflag", "on")
    assert cookie.attributes == {
        "httponly": "",
        "max-age": "900",
        "path": "/",
        "samesite": "Lax",
    }


@pytest.mark.parametrize("header", ["", "featureflag", "=on; Path=/", "; Path=/"])
def test_what_sets_no_cookie(header: str) -> None:
    with pytest.raises(PromiseBroken, match="it sets no cookie"):
        read_set_cookie(header)


def test_the_flag_is_set_and_cleared_as_it_should() -> None:
    assert wrongly_set(SET) == []
    assert wrongly_cleared(CLEARED) == []


@pytest.mark.parametrize(
    ("header", "wrong"),
    [
        ("featureflag=on; Max-Age=900", ["path is not stated, not /"]),
        ("featureflag=on; Path=/", ["max-age is not stated, not 900"]),
        ("featureflag=on; max-age=3600; path=/", ["max-age is 3600, not 900"]),
        ("featureflag=on; Max-Age=900; Path=/x", ["path is /x, not /"]),
        ("featureflag=1; Max-Age=900; Path=/", ["it sets featureflag=1"]),
        ("flag=on; Max-Age=900; Path=/", ["it sets flag=on"]),
        ("featureflag=on; Max-Age=900; Path=/; Secure", ["secure keeps it from the ingress"]),
        ("featureflag=on; Max-Age=900; Path=/; Domain=a", ["domain keeps it from the ingress"]),
    ],
)
def test_the_flag_is_set_otherwise(header: str, wrong: list[str]) -> None:
    assert wrongly_set(header) == wrong


@pytest.mark.parametrize(
    ("header", "wrong"),
    [
        ("featureflag=; Max-Age=0; Path=/featureflag", ["path is /featureflag, not /"]),
        (SET, ["max-age is 900, not 0"]),
        ("flag=; Max-Age=0; Path=/", ["it clears flag"]),
    ],
)
def test_the_flag_is_not_cleared(header: str, wrong: list[str]) -> None:
    assert wrongly_cleared(header) == wrong


def kept(**changed: Any) -> dict[str, Any]:
    cookie = {"name": "featureflag", "value": "on", "path": "/", "expires": 1900.5}
    return {**cookie, **changed}


def test_a_browser_keeps_the_flag_for_15_minutes() -> None:
    assert wrongly_kept([kept()], 1000, 1001) == []


@pytest.mark.parametrize(
    ("jar", "wrong"),
    [
        ([], "it keeps no cookie"),
        (
            [kept(), kept(path="/x")],
            "it keeps featureflag=on for / until 1970-01-01 00:31:40 UTC; ",
        ),
        ([kept(value="off")], "it keeps featureflag=off for / until "),
        ([kept(path="/x")], "it keeps it for /x, not /"),
        ([kept(expires=1899.9)], "it keeps it for 898.9 s, not 900"),
        ([kept(expires=1901.1)], "it keeps it for 900.1 s, not 900"),
        ([kept(expires=-1)], "it keeps it for "),
    ],
)
def test_a_browser_keeps_it_otherwise(jar: list[dict[str, Any]], wrong: str) -> None:
    (line,) = wrongly_kept(jar, 1000, 1001)
    assert line.startswith(wrong)
