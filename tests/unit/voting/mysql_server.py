"""As much of a MySQL server as the store can tell: its protocol, over a table in memory."""

from __future__ import annotations

import asyncio
import hashlib
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pymysql.constants import CLIENT, COMMAND, ER, FIELD_TYPE, SERVER_STATUS
from voting.settings import Address, MySql
from voting.store.mysql import CAST, CHECK, COUNTS, FIND, RESET

NATIVE = "mysql_native_password"
MYSQL_8 = "caching_sha2_password"

_CAPABILITIES = (
    CLIENT.PROTOCOL_41 | CLIENT.SECURE_CONNECTION | CLIENT.PLUGIN_AUTH | CLIENT.CONNECT_WITH_DB
)
_sha1 = partial(hashlib.sha1, usedforsecurity=False)
_SALT = b"twenty-bytes-of-salt"


class Refused(Exception):
    """An error that the server answers with: its number and what it says."""


@dataclass
class FakeMySql:
    """Serves one database to one user, and can lose an answer or its connections."""

    plugin: str = NATIVE
    password: str = "secret"
    autocommit: bool = True
    votes: dict[str, str] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)
    connected: int = 0
    lose_answer: bool = False
    """Do what is asked next, and close the connection in place of an answer."""
    silent: bool = False
    error: Refused | None = None
    """What every statement is answered with."""
    reset_after_insert: bool = False
    """Another client resets all votes before this one can ask for a row."""

    async def __aenter__(self) -> Self:
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        self.drop()
        await self._server.wait_closed()

    @property
    def address(self) -> Address:
        """Where it listens."""
        return Address(*self._server.sockets[0].getsockname())

    def access(self, password: str | None = None) -> MySql:
        """The settings to ask it with."""
        return MySql(self.address, "voting", "voter", password or self.password)

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._writers)

    def drop(self) -> None:
        """Close all connections."""
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        self._writers.add(writer)
        try:
            await self._talk(_Wire(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _talk(self, wire: _Wire) -> None:
        wire.send(self._greeting())
        try:
            await self._admit(wire)
        except Refused as refusal:
            wire.send(_refusal(refusal))
            return
        wire.send(self._ok())
        while (command := await wire.read(first=True))[0] != COMMAND.COM_QUIT:
            try:
                answer = self._execute(command[1:].decode())
            except Refused as refusal:
                wire.send(_refusal(refusal))
                continue
            if self.lose_answer:
                self.lose_answer = False
                return
            if self.silent:
                await wire.read(first=True)
                return
            for packet in [self._ok()] if answer is None else self._rows(answer):
                wire.send(packet)

    @property
    def _status(self) -> int:
        status: int = SERVER_STATUS.SERVER_STATUS_AUTOCOMMIT
        return status if self.autocommit else 0

    def _greeting(self) -> bytes:
        return (
            b"\x0a8.4.0\0"
            + struct.pack("<I8sxHBH", 1, _SALT, _CAPABILITIES & 0xFFFF, 45, self._status)
            + struct.pack("<HB10x", _CAPABILITIES >> 16, len(_SALT) + 1)
            + _SALT[8:]
            + b"\0"
            + self.plugin.encode()
            + b"\0"
        )

    async def _admit(self, wire: _Wire) -> None:
        user, _, rest = (await wire.read())[32:].partition(b"\0")
        proof, database = rest[1 : 1 + rest[0]], rest[1 + rest[0] :].split(b"\0")[0]
        password = self.password.encode()
        if self.plugin == NATIVE:
            admitted = proof == _native_proof(password)
        else:
            admitted = await self._decrypted_password(wire) == password + b"\0"
        if not (admitted and user == b"voter" and database == b"voting"):
            raise Refused(ER.ACCESS_DENIED_ERROR, "Access denied (using password: YES)")

    async def _decrypted_password(self, wire: _Wire) -> bytes:
        key = _private_key()
        wire.send(b"\x01\x04")
        assert await wire.read() == b"\x02"
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        wire.send(b"\x01" + key.public_key().public_bytes(serialization.Encoding.PEM, form))
        sha1 = hashes.SHA1()  # noqa: S303 -- MySQL's own choice
        mixed = key.decrypt(
            await wire.read(), padding.OAEP(mgf=padding.MGF1(sha1), algorithm=sha1, label=None)
        )
        return bytes(byte ^ _SALT[at % len(_SALT)] for at, byte in enumerate(mixed))

    def _execute(self, statement: str) -> list[Sequence[str | int]] | None:
        self.statements.append(statement)
        if self.error:
            raise self.error
        if arguments := _arguments(CAST, statement):
            vote_id, category = arguments
            if vote_id in self.votes:
                if self.reset_after_insert:
                    self.votes.clear()
                raise Refused(ER.DUP_ENTRY, "Duplicate entry")
            self.votes[vote_id] = category
        elif arguments := _arguments(FIND, statement):
            return [(self.votes[name],) for name in arguments if name in self.votes]
        elif statement == COUNTS:
            found = list(self.votes.values())
            return [(name, found.count(name)) for name in dict.fromkeys(found)]
        elif statement == CHECK:
            return [(1,) for _ in list(self.votes)[:1]]
        elif statement == RESET:
            self.votes.clear()
        elif statement.startswith("SET AUTOCOMMIT = 1"):
            self.autocommit = True
        else:
            raise Refused(ER.PARSE_ERROR, statement)
        return None

    def _ok(self) -> bytes:
        return struct.pack("<BBBHH", 0, 0, 0, self._status, 0)

    def _rows(self, rows: list[Sequence[str | int]]) -> Iterable[bytes]:
        end = struct.pack("<BHH", 0xFE, 0, self._status)
        shape = [FIELD_TYPE.LONGLONG if isinstance(v, int) else FIELD_TYPE.STRING
                 for v in (rows[0] if rows else [""])]  # fmt: skip
        yield bytes([len(shape)])
        for kind in shape:
            names = b"".join(map(_text, ("def", "", "", "", "column", "")))
            yield names + struct.pack("<BHIBHBxx", 12, 45, 64, kind, 0, 0)
        yield end
        for row in rows:
            yield b"".join(_text(str(value)) for value in row)
        yield end


@dataclass
class _Wire:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int = 0

    async def read(self, *, first: bool = False) -> bytes:
        header = await self.reader.readexactly(4)
        assert header[3] == (0 if first else self.number), "a packet out of sequence"
        self.number = header[3] + 1
        return await self.reader.readexactly(int.from_bytes(header[:3], "little"))

    def send(self, payload: bytes) -> None:
        self.writer.write(len(payload).to_bytes(3, "little") + bytes([self.number]) + payload)
        self.number += 1


@cache
def _private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _arguments(form: str, statement: str) -> tuple[str, ...] | None:
    match = re.fullmatch(re.escape(form).replace("%s", "'([^'\\\\]*)'"), statement)
    return match.groups() if match else None


def _native_proof(password: bytes) -> bytes:
    once = _sha1(password).digest()
    salted = _sha1(_SALT + _sha1(once).digest()).digest()
    return bytes(a ^ b for a, b in zip(once, salted, strict=True))


def _refusal(refusal: Refused) -> bytes:
    number, text = refusal.args
    return b"\xff%b#HY000%b" % (struct.pack("<H", number), str(text).encode())


def _text(value: str) -> bytes:
    return bytes([len(value.encode())]) + value.encode()
