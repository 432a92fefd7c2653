"""Whatever is sent to the app: an answer that is no failure of its own, and no vote by mistake."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import BytesParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from voting import app
from voting.inputs import FORM_TYPE, LARGEST_COOKIES
from voting.server import LARGEST_BODY, LARGEST_HEADER

from tests.unit.voting.conftest import Voting

VOTE = b"vote=Cats&id=one"


@dataclass(frozen=True)
class Request:
    """A request as it is on the wire; the parts need not fit together."""

    method: bytes = b"POST"
    target: bytes = b"/"
    protocol: bytes = b"HTTP/1.1"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = VOTE
    length: bytes | None = None
    """The Content-Length; by default that of the body."""
    content_type: bytes = FORM_TYPE.encode()

    def __bytes__(self) -> bytes:
        length = b"%d" % len(self.body) if self.length is None else self.length
        headers = [
            (b"Host", b"voting"),
            (b"Content-Type", self.content_type),
            *([(b"Content-Length", length)] if length else []),
            *self.headers,
        ]
        lines = [
            b"%b %b %b" % (self.method, self.target, self.protocol),
            *(b"%b: %b" % header for header in headers),
        ]
        return b"\r\n".join([*lines, b"", self.body])


def chunked(body: bytes) -> Request:
    """A request whose body is meant to come in chunks."""
    return Request(headers=((b"Transfer-Encoding", b"chunked"),), body=body, length=b"")


def one_of(*values: bytes) -> st.SearchStrategy[bytes]:
    """One of some values that a careless reader may take for another, or any few bytes."""
    odd = st.sampled_from(values)
    return st.one_of(odd, odd, odd, st.binary(max_size=20))


methods = one_of(b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"post", b"")
targets = one_of(
    b"/?vote=Dogs", b"/featureflag/set", b"/featureflag/clear", b"/healthz/store", b"/nothing",
    b"*", b"//", b"/%", b"/%zz", b"/%00", b"/\0", b"/..", b"/\xc3\xa9", b"/#a", b"/?%ff",
    b"a:80", b"http://[::1", b"http://a:99999/", b"http:///", b"/" + 9000 * b"x",
)  # fmt: skip
protocols = one_of(b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"http/1.1", b"")
types = one_of(b"text/plain", b"multipart/form-data", b";;;", b"a/b; charset=\xff", b"")
bodies = one_of(
    b"", b"vote", b"vote=", b"vote=cats", b"vote=Fish", b"vote=Cats&vote=Dogs", b"vote=Dogs&id=",
    b"vote=Cats&id=a&id=b", b"vote=Cats%00", b"vote=Cats&id=%", b"vote=%zz", b"vote=Cats&id=%ff",
    b"vote=Cats&id=\xc3\xa9", b"vote=C\0ats", b"vote=reset", b"VOTE=Cats", b"id=one",
    b"vote=Cats&id=" + 65 * b"x", b"vote=Cats" + 9 * b"&a=b", LARGEST_BODY * b"x" + VOTE,
)  # fmt: skip
lengths = one_of(b"0", b"-1", b"+9", b"1e1", b"0x9", b"9, 9", b"1000", 30 * b"9", b"\xd9\xa3", b"")
cookies = one_of(
    b"", b"featureflag=on", b"a=\0", b"a=\xff", b"a=\xc3\xa9", b"=", b";;", b'a="', b"a\tb",
    LARGEST_COOKIES * b"x", (LARGEST_COOKIES + 1) * b"x", (LARGEST_HEADER + 1) * b"x",
)  # fmt: skip
header_values = {
    b"Cookie": cookies,
    b"x-request-id": one_of(b"", b"r-1", 65 * b"x", b"a b"),
    b"Transfer-Encoding": one_of(b"chunked", b"gzip", b"chunked, chunked"),
    b"Content-Encoding": one_of(b"gzip", b"identity"),
    b"Expect": one_of(b"100-continue", b"nothing"),
    b"Connection": one_of(b"close", b"upgrade"),
    b"Upgrade": one_of(b"websocket", b"h2c"),
    b"Host": one_of(b""),
    b"traceparent": one_of(b""),
    b"": one_of(b""),
}
headers = st.sampled_from(list(header_values)).flatmap(
    lambda name: st.tuples(st.just(name), header_values[name])
)
chunks = st.lists(
    one_of(b"10\r\nvote=Cats&id=one\r\n", b"0\r\n\r\n", b"zz\r\n", b"-1\r\n", b"5\r\nvote=",
           b"5\nvote=", b"\r\n", b"ffffffffffffffffff\r\n", b"1;a\r\nx\r\n", b"0\r\nx: y\r\n\r\n"),
    max_size=4,
).map(b"".join)  # fmt: skip
parts: dict[str, st.SearchStrategy[object]] = {
    "method": methods,
    "target": targets,
    "protocol": protocols,
    "headers": st.lists(headers, max_size=2).map(tuple),
    "body": bodies,
    "length": lengths,
    "content_type": types,
}
# Few parts are odd at a time, or every request would be refused for the first of many.
plain = st.lists(st.sampled_from(list(parts)), max_size=2, unique=True).flatmap(
    lambda odd: st.builds(Request, **{name: parts[name] for name in odd})
)
requests = st.one_of(plain, plain, plain, st.builds(chunked, chunks))


@dataclass(frozen=True)
class Answer:
    """What of an answer says whether a vote was stored."""

    status: int
    acknowledged: str | None


async def _first_answer(voting: Voting, request: bytes) -> Answer:
    """Send bytes and read one whole answer; the connection is closed by the client."""
    reader, writer = await asyncio.open_connection(*voting.app.address, limit=2**20)
    try:
        writer.write(request)
        status = 100
        while status == 100:
            line, _, head = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
            status = int(line.split()[1])
        headers = BytesParser().parsebytes(head)
        if not request.startswith(b"HEAD "):
            await reader.readexactly(int(headers["Content-Length"]))
        return Answer(status, headers["x-vote-id"])
    finally:
        writer.close()


@pytest.fixture(scope="module", params=["1.0", "2.0"])
def served(request: pytest.FixtureRequest) -> Iterator[Voting]:
    """An app of each version that gives a body up at once that does not come."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "BODY_SECONDS", 0.02)
        running = Voting(request.param)
        yield running
        running.close()


@given(requests)
@example(Request())
@example(Request(body=b"vote=reset"))
@example(Request(length=b"1000"))
@example(Request(headers=((b"Cookie", b"a=\xff"),)))
@example(Request(headers=((b"Cookie", 2 * LARGEST_HEADER * b"x"),)))
@example(Request(body=b"vote=Cats&id=\0"))
@example(Request(target=b"/%zz"))
@example(Request(method=b"PUT"))
@example(Request(headers=((b"Expect", b"\xff"),)))
@example(chunked(b"5\r\nvote="))
@example(chunked(b"zz\r\nvote=Cats\r\n0\r\n\r\n"))
def test_any_request_is_a_vote_an_answer_or_a_plain_refusal(
    served: Voting, request: Request
) -> None:
    served.store.votes.clear()
    answer = served.run(_first_answer(served, bytes(request)))
    assert 200 <= answer.status < 500, answer
    assert answer.acknowledged is None or answer.status == 200
    assert list(served.store.votes) == [answer.acknowledged] * (answer.acknowledged is not None)
