from __future__ import annotations

from urllib.parse import urlencode

import pytest
from bookinfo.errors import RequestError
from bookinfo.visitor import FORM_TYPE, cookie_of, name_in, read_name
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=64)


@given(NAMES.map(str.strip).filter(bool))
def test_every_name_survives_form_and_cookie(name: str) -> None:
    read = read_name(FORM_TYPE, urlencode({"username": name, "passwd": "any"}).encode())
    assert read == name
    assert name_in([f"first=1; session={cookie_of(read)}; last=2"]) == name


@given(st.text(), st.text())
def test_whatever_is_sent_there_is_a_usable_name_or_none(header: str, value: str) -> None:
    for headers in ([header], [f"session={value}"], [header, f"session={value}"]):
        name = name_in(headers)
        assert name is None or (name.isascii() and name.isprintable() and 0 < len(name) <= 64)


@given(st.binary())
def test_whatever_form_is_sent_there_is_a_usable_name_or_a_refusal(body: bytes) -> None:
    try:
        name = read_name(FORM_TYPE, body)
    except RequestError as error:
        assert error.status == 400
    else:
        assert name.isascii() and name.isprintable() and 0 < len(name) <= 64


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ([], None),
        (["session=a", "session=b"], "a"),
        (["xsession=a;session=b"], "b"),
        (["session"], None),
        (['session="a"'], '"a"'),
    ],
)
def test_name_is_the_first_session_cookies(headers: list[str], name: str | None) -> None:
    assert name_in(headers) == name
