from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import CookedLinuxV2
from scapy.packet import Packet, Raw
from scapy.utils import PcapWriter

from meshproof.analysis.wire import Connection, Place, Wire, read_wire
from meshproof.errors import EnvironmentBroken

APP = Place("voting-app 1.0", "app-1", "10.244.0.5", "node-1")
STORAGE = Place("voting-storage 1.0", "storage-1", "10.244.0.6", "node-1")
PLACES = (APP, STORAGE)
CLIENT_PORT, PORT = 40000, 6379
MARKER = "marker-0123456789"


def record(kind: int, payload: bytes) -> bytes:
    return bytes([kind, 3, 3]) + len(payload).to_bytes(2) + payload


CLIENT_HELLO = record(22, b"\x01" + bytes(80))
SERVER_HELLO = record(22, b"\x02" + bytes(70)) + record(20, b"\x01")
DATA = record(23, bytes(range(200)))
ALERT = record(21, bytes(19))


@dataclass
class Way:
    """Makes the packets of one direction; ``number`` is that of the next byte."""

    source: Place
    target: Place
    sport: int
    dport: int
    number: int

    def packet(self, flags: str, data: bytes = b"", *, number: int | None = None) -> Packet:
        at = self.number if number is None else number
        if number is None:
            self.number = (at + len(data) + ("S" in flags) + ("F" in flags)) % 2**32
        tcp = TCP(sport=self.sport, dport=self.dport, seq=at, flags=flags)
        packet = IP(src=self.source.address, dst=self.target.address) / tcp
        return packet / Raw(data) if data else packet


def ways(number: int = 1000, client_port: int = CLIENT_PORT) -> tuple[Way, Way]:
    return (
        Way(APP, STORAGE, client_port, PORT, number),
        Way(STORAGE, APP, PORT, client_port, (number + 7) % 2**32),
    )


def pcap(packets: Sequence[Packet], *, largest: int = 2**16) -> bytes:
    """What `tcpdump -i any` writes of these packets, one after another; `largest` cuts each."""
    file = BytesIO()
    writer = PcapWriter(file, linktype=276)
    writer.write_header(None)
    for index, packet in enumerate(packets):
        whole = bytes(CookedLinuxV2(proto=0x800) / packet)
        writer.write_packet(whole[:largest], sec=index, usec=0, wirelen=len(whole))
    writer.flush()
    return file.getvalue()


def wire(packets: Sequence[Packet]) -> Wire:
    return read_wire([pcap(packets)], PLACES)


def only(packets: Sequence[Packet]) -> Connection:
    (connection,) = wire(packets).connections
    return connection


def conversation(sent: Sequence[bytes], answered: Sequence[bytes], **at: int) -> list[Packet]:
    """A connection from its beginning to its end, each piece a packet."""
    to, back = ways(**at)
    packets = [to.packet("S"), back.packet("SA"), to.packet("A")]
    packets += [to.packet("PA", piece) for piece in sent]
    packets += [back.packet("PA", piece) for piece in answered]
    return [*packets, to.packet("FA"), back.packet("FA"), to.packet("A")]


def begun_before(sent: Sequence[bytes], answered: Sequence[bytes] = (), **at: int) -> list[Packet]:
    """A connection that began before the capture."""
    return conversation(sent, answered, **at)[3:]


TLS = ([CLIENT_HELLO, DATA], [SERVER_HELLO + DATA, ALERT])
PLAIN = ([f"ECHO {MARKER}\r\n".encode()], [f"$17\r\n{MARKER}\r\n".encode()])


def test_a_connection_is_tls_from_its_hello_on() -> None:
    connection = only(conversation(*TLS))
    assert connection.plain_text == ""
    assert (connection.client, connection.server, connection.port) == (APP, STORAGE, PORT)
    assert (connection.sent.data, connection.sent.whole) == (CLIENT_HELLO + DATA, True)
    assert connection.answered.data == SERVER_HELLO + DATA + ALERT
    assert str(connection) == (
        "voting-app 1.0 (app-1) → voting-storage 1.0 (storage-1:6379), begun in the capture, "
        f"10 packets, {len(CLIENT_HELLO + DATA)} bytes sent, "
        f"{len(SERVER_HELLO + DATA + ALERT)} answered: TLS"
    )


def test_plain_text_is_shown_escaped() -> None:
    seen = wire(conversation(*PLAIN))
    (connection,) = seen.in_plain_text
    assert connection.plain_text == f"sent, at byte 0: “ECHO {MARKER}⟨line end⟩”"
    assert str(connection).endswith(f": plain text {connection.plain_text}")
    assert seen.summary()[0].endswith("bytes, 1 of the connections in plain text")
    assert seen.count(MARKER) == 2
    assert seen.showing(MARKER) == {(APP.workload, STORAGE.workload)}


def test_what_the_server_says_in_plain_text_counts_too() -> None:
    text = only(conversation([CLIENT_HELLO], [b"HTTP/1.1 400 Bad Request\r\n\r\n"])).plain_text
    assert text.startswith("answered, at byte 0: “HTTP/1.1 400")


def test_plain_text_after_tls_is_found_where_it_begins() -> None:
    at = len(CLIENT_HELLO + DATA)
    text = only(conversation([CLIENT_HELLO + DATA + b"GET / HTTP/1.1"], [SERVER_HELLO])).plain_text
    assert text == f"sent, at byte {at}: “GET / HTTP/1.1”"


@pytest.mark.parametrize(
    "data",
    [
        record(24, b"heartbeat"),
        b"\x17\x02\x00\x00\x05hello",
        b"\x17\x03\x05\x00\x05hello",
        b"\x17\x03\x03\x00\x00",
        b"\x17\x03\x03\x48\x01" + bytes(0x4801),
        b"G",
        b"\x17G",
    ],
    ids=["kind", "major", "minor", "empty", "too-large", "one-byte", "two-bytes"],
)
def test_what_is_no_record_is_plain_text(data: bytes) -> None:
    assert only(begun_before([DATA + data])).plain_text.startswith(f"sent, at byte {len(DATA)}: ")


@pytest.mark.parametrize("minor", range(5))
def test_a_record_of_any_version_up_to_1_3_is_tls(minor: int) -> None:
    of_version = bytes([DATA[0], 3, minor]) + DATA[3:]
    assert only(begun_before([DATA + of_version])).plain_text == ""


def test_a_record_of_the_largest_size_is_tls() -> None:
    pieces = [record(23, bytes(2**14 + 2048))[at:][:1400] for at in range(0, 2**14 + 2053, 1400)]
    assert only(begun_before(pieces)).plain_text == ""


@pytest.mark.parametrize("first", [DATA, SERVER_HELLO, ALERT], ids=["data", "other-hello", "alert"])
def test_a_connection_that_begins_with_no_hello_is_no_tls(first: bytes) -> None:
    assert only(conversation([first], [SERVER_HELLO])).plain_text.startswith("sent, at byte 0")


def test_a_server_must_say_its_own_hello() -> None:
    text = only(conversation([CLIENT_HELLO], [CLIENT_HELLO])).plain_text
    assert text.startswith("answered, at byte 0")


def test_a_connection_from_before_the_capture_is_tls_from_its_first_record_on() -> None:
    connection = only(begun_before([DATA, DATA], [DATA]))
    assert (connection.plain_text, connection.sent.whole) == ("", False)
    assert "begun before the capture" in str(connection)
    assert only(begun_before([DATA[9:], DATA])).plain_text.startswith("sent, at byte 0")


@pytest.mark.parametrize("kept", [1, 2, 4, 5, 6, len(DATA) - 1])
def test_a_record_that_the_end_of_the_capture_cuts_off_is_tls(kept: int) -> None:
    assert only(begun_before([DATA + DATA[:kept]])).plain_text == ""


@pytest.mark.parametrize("kept", [1, 5])
def test_a_hello_that_the_end_of_the_capture_cuts_off_is_tls(kept: int) -> None:
    assert only(conversation([CLIENT_HELLO[:kept]], [])).plain_text == ""


def test_each_packet_twice_as_it_is_forwarded_is_each_byte_once() -> None:
    twice = [packet for packet in conversation(*PLAIN) for _ in range(2)]
    connection = only(twice)
    assert connection.sent.data == PLAIN[0][0]
    assert connection.count(MARKER.encode()) == 2


def test_captures_of_two_nodes_may_hold_the_same_packets() -> None:
    one = pcap(conversation(*PLAIN))
    assert read_wire([one, one], PLACES).count(MARKER) == 2


def test_what_is_sent_again_in_other_pieces_counts_once() -> None:
    to, _ = ways()
    begin = to.number
    text = PLAIN[0][0]
    packets = [to.packet("PA", text[:9]), to.packet("PA", text[9:])]
    again = to.packet("PA", text[4:12], number=begin + 4)
    assert only([*packets, again]).sent.data == text
    assert only([packets[0], again, packets[1]]).sent.data == text


def test_a_marker_over_two_packets_is_found() -> None:
    text = PLAIN[0][0]
    packets = begun_before([text[:12], text[12:]])
    assert MARKER.encode() not in pcap(packets)
    assert only(packets).count(MARKER.encode()) == 1


@given(order=st.permutations(range(6)), number=st.sampled_from([0, 77, 2**32 - 150, 2**32 - 1]))
def test_packets_come_in_any_order(order: list[int], number: int) -> None:
    pieces = [CLIENT_HELLO[:30], CLIENT_HELLO[30:], *[DATA[i : i + 50] for i in (0, 50, 100, 150)]]
    begun = conversation(pieces, [], number=number)
    before = begun_before(pieces, number=number)
    for packets, first in ((begun, 3), (before, 0)):
        middle = [packets[first + index] for index in order]
        shuffled = [*packets[:first], *middle, *packets[first + 6 :]]
        assert only(shuffled).sent.data == b"".join(pieces)


def test_a_gap_says_that_nothing_can_be_said() -> None:
    packets = begun_before([DATA, DATA, DATA])
    with pytest.raises(EnvironmentBroken, match=f"lacks {len(DATA)} bytes.*app-1"):
        wire([packets[0], *packets[2:]])


def test_a_gap_is_one_whichever_way_it_is_and_both_add_up() -> None:
    packets = begun_before([DATA, DATA, DATA], [DATA, DATA, DATA])
    kept = [packets[0], packets[2], packets[3], packets[5]]
    with pytest.raises(EnvironmentBroken, match=f"lacks {2 * len(DATA)} bytes"):
        wire(kept)


def test_a_first_packet_that_is_missing_after_the_beginning_is_a_gap() -> None:
    packets = conversation(*TLS)
    with pytest.raises(EnvironmentBroken, match=f"lacks {len(CLIENT_HELLO)} bytes"):
        wire([*packets[:3], *packets[4:]])


def test_a_packet_that_was_not_kept_whole_is_a_gap() -> None:
    with pytest.raises(EnvironmentBroken, match="lacks 105 bytes"):
        read_wire([pcap(begun_before([DATA]), largest=160)], PLACES)


def test_padding_is_no_data() -> None:
    to, _ = ways()
    assert only([IP(bytes(to.packet("PA", b"ab")) + bytes(6))]).sent.data == b"ab"


def test_one_port_may_serve_two_connections_in_turn() -> None:
    first, second = conversation(*TLS), conversation(*PLAIN, number=5000)
    seen = wire([*first, *second])
    assert [bool(c.plain_text) for c in seen.connections] == [False, True]
    assert len(wire([*begun_before([DATA]), *second]).connections) == 2


def test_a_beginning_that_is_sent_again_begins_nothing_new() -> None:
    packets = conversation(*TLS)
    assert only([packets[0], *packets]).sent.data == CLIENT_HELLO + DATA


def test_who_listens_is_told_by_the_port_also_where_the_server_speaks_first() -> None:
    _, back = ways()
    connection = only([back.packet("PA", DATA)])
    assert connection.pair == (APP.workload, STORAGE.workload)
    assert connection.answered.data == DATA


def test_only_connections_with_data_both_ways_are_talk() -> None:
    quiet = conversation([], [])
    unanswered = conversation([CLIENT_HELLO], [], client_port=40001)
    answered = conversation(*TLS, client_port=40002)
    assert wire([*quiet, *unanswered]).talking == {}
    seen = wire([*quiet, *unanswered, *answered])
    assert list(seen.talking) == [(APP.workload, STORAGE.workload)]
    assert seen.in_plain_text == []
    size = len(b"".join([*TLS[0], *TLS[1]]))
    assert seen.summary() == [
        f"voting-app 1.0 → voting-storage 1.0: 1 connections (1 begun in the capture), {size} "
        "bytes, 0 of the connections in plain text"
    ]


def test_a_marker_within_tls_records_counts_and_is_no_plain_text() -> None:
    readable = record(23, MARKER.encode())  # as a cipher that hides nothing would send it
    seen = wire(begun_before([readable]))
    assert (seen.count(MARKER), seen.in_plain_text) == (1, [])
    assert seen.showing(MARKER) == set()


def test_other_protocols_are_left_out() -> None:
    own = IP(src="127.0.0.1", dst="127.0.0.1") / UDP(dport=9) / Raw(b"last-packet")
    assert wire([own]).connections == ()
    assert wire([]).connections == ()
