from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshproof.paths import PROJECT
from steps.voting.cookie_corpus import (
    KINDS,
    OTHER_HEADER,
    TWO_LINES,
    generate,
    headers,
    lacking,
)
from steps.voting.cookie_gate import Gate, Headers, Seen, summary, table
from steps.voting.flag_cookie import WITH, WITHOUT

sys.path.insert(0, str(PROJECT / "images" / "voting"))

from voting.inputs import check_cookies

ROUTES = PROJECT / "manifests" / "voting" / "istio" / "step-3-add-routing-for-2.0-components.yaml"
#: As many of each as the scenario of C3 sends.
EACH = 15
#: The flag, each letter as it is or percent-encoded.
ENCODED = "".join(f"({letter}|%{ord(letter):02X})" for letter in "featureflag=on")

Reading = Callable[[Headers], bool]

any_headers = st.tuples(st.sampled_from(KINDS), st.booleans()).flatmap(
    lambda pair: headers(pair[0], flag=pair[1])
)


@cache
def made() -> tuple[Headers, ...]:
    return tuple(generate(EACH))


def routed() -> str:
    """The regular expression by which the manifest routes to 2.0."""
    documents = yaml.safe_load_all(ROUTES.read_text())
    (service,) = (
        document
        for document in documents
        if (document["kind"], document["metadata"]["name"]) == ("VirtualService", "voting-app")
    )
    (route,) = (route for route in service["spec"]["http"] if "match" in route)
    ((match),) = route["match"]
    expression: str = match["headers"]["cookie"]["regex"]
    return expression


def reads_as(expression: str) -> Reading:
    """Read headers as Envoy does: all of the joined lines has to match, with nothing special.

    Both kinds of expression are the same for what is used here.
    """
    pattern = re.compile(expression)
    return lambda sent: pattern.fullmatch("; ".join(sent.lines)) is not None


@given(any_headers)
def test_the_manifests_expression_reads_the_header_as_the_reference_does(sent: Headers) -> None:
    assert reads_as(routed())(sent) is sent.flagged


def test_it_reads_all_headers_so_that_a_run_sends() -> None:
    reads = reads_as(routed())
    assert [sent for sent in made() if reads(sent) is not sent.flagged] == []


@pytest.mark.parametrize(
    ("expression", "kinds"),
    [
        ("featureflag=on", {"ordinary", "long", TWO_LINES}),
        (".*featureflag=on.*", {"another name", "another value", "in another's value"}),
        (".*\\bfeatureflag=on\\b.*", {"another name", "another value", "in another's value"}),
        ("^(.*?;)?(featureflag=on)(;.*)?$", {"ordinary", "odd spacing"}),  # Istio's own example
        ("(.*; )?featureflag=on(; .*)?", {"no space after the semicolon", "odd spacing"}),
        ("featureflag=on(;.*)?", {"ordinary", "long"}),
        ("(.*;)?[ \t]*featureflag=on", {"ordinary", "long"}),
        ("(.*;)?[ \t]*featureflag=on.*", {"another value"}),
        (".*featureflag=on[ \t]*(;.*)?", {"another name", "in another's value"}),
        ("(?i)(.*;)?[ \t]*featureflag=on[ \t]*(;.*)?", {"another case"}),
        ('(.*;)?[ \t]*featureflag="?on"?[ \t]*(;.*)?', {"quotes"}),
        ("(.*;)?[ \t]*featureflag[ \t]*=[ \t]*on[ \t]*(;.*)?", {"blanks inside"}),
        ("(.*;)?[ \t]*featureflag=+on[ \t]*(;.*)?", {"no pair"}),
        (f"(.*;)?[ \t]*{ENCODED}[ \t]*(;.*)?", {"percent-encoded"}),
        ("(.{0,200};)?[ \t]*featureflag=on[ \t]*(;.*)?", {"long"}),
        ("(.*[;,])?[ \t]*featureflag=on[ \t]*([;,].*)?", {"in another's value"}),
        (".*", set(KINDS)),
        ("", set(KINDS)),
    ],
)
def test_these_headers_notice_any_other_expression(expression: str, kinds: set[str]) -> None:
    reads = reads_as(expression)
    noticed = {sent.kind for sent in made() if reads(sent) is not sent.flagged}
    assert kinds <= noticed


def test_a_second_cookie_line_that_is_not_read_is_noticed() -> None:
    wrong = {sent.kind for sent in made() if Headers("", sent.lines[:1]).flagged != sent.flagged}
    assert wrong == {TWO_LINES}


def test_another_header_that_is_read_is_noticed() -> None:
    read = {sent.kind for sent in made() if sent.other and not sent.flagged}
    assert read == {OTHER_HEADER}


def test_as_many_hold_the_flag_as_do_not_for_each_kind() -> None:
    counts = Counter((sent.kind, sent.flagged) for sent in made())
    assert counts == {(kind, flag): EACH for kind in KINDS for flag in (True, False)}


def test_most_of_them_are_different() -> None:
    assert len({(sent.lines, sent.other) for sent in made()}) > 0.85 * len(made())


def test_they_are_the_same_every_time() -> None:
    assert tuple(generate(EACH)) == made()


@given(any_headers)
def test_the_application_takes_them(sent: Headers) -> None:
    check_cookies(sent.lines)
    for name, value in sent.fields:
        assert name.isascii() and not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value)


def test_letters_that_are_not_ascii_are_tried_in_utf_8_and_in_latin_1() -> None:
    lines = [line for sent in made() for line in sent.lines if sent.kind == "not ASCII"]
    sent = [line.encode(errors="surrogateescape") for line in lines]
    assert any("é".encode() in line for line in sent)
    assert any("\ufffd" in line.decode(errors="replace") for line in sent)


def seen(kind: str, line: str, version: str | None, problem: str = "") -> Seen:
    return Seen(Headers(kind, (line,)), version, problem)


READ = [
    seen("ordinary", "a=1; featureflag=on", "2.0"),
    seen("ordinary", "a=1", "1.0"),
    seen("quotes", 'featureflag="on"; b=1', "2.0"),
    seen("quotes", 'featureflag="on"', "2.0"),
    seen("quotes", "featureflag=on", None, "HTTP 503"),
]


def of(versions: Iterable[Seen]) -> Gate:
    return Gate(list(versions))


def wrong(gate: Gate) -> tuple[str, str]:
    return gate.show(WITH, 'version "2.0"').problem, gate.show(WITHOUT, 'version "1.0"').problem


def test_a_gate_that_does_as_it_should() -> None:
    assert wrong(of(READ[:2])) == ("", "")


def test_a_gate_that_does_not_shows_how_often_and_the_shortest_of_each_kind() -> None:
    assert wrong(of(READ)) == (
        "1 of 2 requests went wrong; quotes: 1 of 1 with the flag, e.g. Cookie: “featureflag=on” "
        "got HTTP 503, not 2.0",
        '2 of 3 requests went wrong; quotes: 2 of 2 without it, e.g. Cookie: “featureflag="on"” '
        "got 2.0, not 1.0",
    )


def test_a_gate_that_nobody_asked_at_is_no_proof() -> None:
    assert wrong(of(READ[:1]))[1]
    assert wrong(of(READ[1:2]))[0]


def test_a_version_that_nobody_is_to_get_is_wrong_for_everyone() -> None:
    strangers = [seen("ordinary", "a=1", "1.1"), seen("ordinary", "featureflag=on", "1.1")]
    assert all(wrong(of(strangers)))


def test_every_request_is_in_the_table() -> None:
    assert table(READ[1:3], "1.0") == (
        "ordinary\tto get 1.0\tCookie: “a=1” got 1.0\n"
        'quotes\tto get 1.0\tCookie: “featureflag="on"; b=1” got 2.0\n'
    )


def test_the_summary_counts_who_held_the_flag_by_kind() -> None:
    assert summary(READ) == (
        "2 requests held the flag and 3 did not: ordinary 1 and 1, quotes 1 and 2"
    )


def test_a_kind_that_is_not_represented_both_ways_is_named() -> None:
    whole = [
        Seen(Headers(kind, (line,)), "2.0") for kind in KINDS for line in ("featureflag=on", "a")
    ]
    assert lacking(whole, 1) == []
    assert lacking(whole, 2) == list(KINDS)
    assert lacking(whole[1:], 1) == [KINDS[0]]
    assert lacking([], 1) == list(KINDS)


def test_headers_in_a_line() -> None:
    assert str(Headers("", ("a\t", "b"), ("X-Cookie", "c"))) == (
        "Cookie: “a⟨tab⟩” and Cookie: “b” and X-Cookie: “c”"
    )
    assert str(Headers("", ())) == "no Cookie"
    assert str(Headers("", ("",))) == "Cookie: empty"
