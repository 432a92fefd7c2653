from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from voting.counts import Category
from voting.errors import RequestError
from voting.inputs import FORM_TYPE, Vote, check_cookies, flag_is_set, read_vote


def test_id_of_the_form_comes_first() -> None:
    assert read_vote(FORM_TYPE, b"vote=Cats&id=form-1", "request-1") == Vote(
        Category.CATS, "form-1"
    )


def test_id_of_the_request_comes_second() -> None:
    assert read_vote(FORM_TYPE, b"vote=Dogs", "request-1") == Vote(Category.DOGS, "request-1")


def test_vote_without_any_id_gets_one_of_its_own() -> None:
    votes = [read_vote(FORM_TYPE, b"vote=Cats", None) for _ in range(2)]
    assert votes[0] is not None
    assert votes[1] is not None
    assert votes[0].id != votes[1].id


def test_reset() -> None:
    assert read_vote(FORM_TYPE, b"vote=reset", None) is None


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"vote=Fish", "one of Cats, Dogs, reset"),
        (b"vote=cats", "one of Cats, Dogs, reset"),
        (b"vote=", "one of Cats, Dogs, reset"),
        (b"", "no field named vote"),
        (b"choice=Cats", "no field named vote"),
        (b"vote=Cats&vote=Dogs", "more than one field named vote"),
        (b"vote=Cats&id=a&id=b", "more than one field named id"),
        (b"vote", "cannot be read"),
        (b"vote=Cats&", "cannot be read"),
        (b"vote=%ff", "cannot be read"),
        (b"vote=\xff", "cannot be read"),
        (b"a=1&" * 20 + b"vote=Cats", "cannot be read"),
        (b"vote=Cats&id=", "id has to be"),
        (b"vote=Cats&id=a+b", "id has to be"),
        (b"vote=Cats&id=a%0A", "id has to be"),
        (b"vote=Cats&id=" + b"a" * 65, "id has to be"),
    ],
)
def test_bad_form_is_refused(body: bytes, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence) as refusal:
        read_vote(FORM_TYPE, body, None)
    assert refusal.value.status == 400


def test_bad_request_id_is_refused_where_it_would_be_used() -> None:
    with pytest.raises(RequestError, match="id has to be"):
        read_vote(FORM_TYPE, b"vote=Cats", "no id")
    assert read_vote(FORM_TYPE, b"vote=Cats&id=fine", "no id") == Vote(Category.CATS, "fine")


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "text/plain"])
def test_other_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(RequestError) as refusal:
        read_vote(content_type, b"vote=Cats", None)
    assert refusal.value.status == 415


form_texts = st.text(max_size=70) | st.sampled_from(["vote", "id", "Cats", "Dogs", "reset"])


@given(
    st.binary(max_size=200)
    | st.lists(st.tuples(form_texts, form_texts), max_size=10).map(lambda f: urlencode(f).encode())
)
def test_any_body_is_a_vote_a_reset_or_a_plain_refusal(body: bytes) -> None:
    try:
        vote = read_vote(FORM_TYPE, body, None)
    except RequestError as refusal:
        assert refusal.status == 400
    else:
        assert vote is None or 1 <= len(vote.id) <= 64


@pytest.mark.parametrize(
    "cookies",
    [
        [],
        [""],
        ["featureflag=on"],
        ["a"],
        ["; ;=;"],
        ['a="b; c'],
        ["a=1", "b=\t2"],
        ["x" * 8192],
        ["a=é", "b=\udcff"],
    ],
)
def test_odd_cookies_are_let_through(cookies: list[str]) -> None:
    check_cookies(cookies)


@pytest.mark.parametrize(
    ("cookies", "status"),
    [
        (["a=\x01"], 400),
        (["a=\x7f"], 400),
        (["a=é", "b=\0"], 400),
        (["a=1", "b=\n"], 400),
        (["x" * 8193], 431),
        (["x" * 4096, "x" * 4096], 431),
    ],
)
def test_malformed_or_long_cookies_are_refused(cookies: list[str], status: int) -> None:
    with pytest.raises(RequestError) as refusal:
        check_cookies(cookies)
    assert refusal.value.status == status


cookie_pairs = st.sampled_from(
    [
        "featureflag=on",
        " featureflag=on\t",
        "featureflag=off",
        "featureflag=one",
        "featureflag=ON",
        "FeatureFlag=on",
        "xfeatureflag=on",
        "featureflag",
        'featureflag="on"',
        "=featureflag=on",
        "a=featureflag=on",
        "featureflag=on=on",
        "",
    ]
) | st.text(max_size=20)


@given(st.lists(st.lists(cookie_pairs, max_size=5).map(";".join), max_size=3))
@example(["a=1;featureflag=on"])
def test_flag_is_read_as_the_specification_says(headers: list[str]) -> None:
    expected = False
    for header in headers:
        for pair in header.split(";"):
            name, _, value = pair.strip(" \t").partition("=")
            expected = expected or (name == "featureflag" and value == "on")
    assert flag_is_set(headers) is expected
