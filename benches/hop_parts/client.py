"""A small PostgreSQL client: SCRAM-SHA-256, TLS both ways of beginning, queries, COPY of single rows.

pgbench measures statements. This is for what it cannot do: hold idle connections open, and send
one CopyData message per row as most drivers do (psql packs rows into large ones).
"""

import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct
from functools import lru_cache

SSL_REQUEST = struct.pack("!II", 8, 80877103)


@lru_cache
def salted_password(password, salt, iterations):
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)


def hmac_sha256(key, message):
    return hmac.new(key, message, "sha256").digest()


class ServerError(Exception):
    """An ErrorResponse."""


class Client:
    """One connection."""

    def __init__(self, target):
        self.socket = socket.create_connection(("127.0.0.1", target.port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.tls:
            if not target.direct:
                self.socket.sendall(SSL_REQUEST)
                if self.socket.recv(1) != b"S":
                    raise ServerError("no TLS")
            self.socket = tls_context(str(target.authority)).wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = b""
        parameters = {"user": target.user, "database": target.database, "options": target.options}
        parameters = "".join(f"{name}\0{value}\0" for name, value in parameters.items() if value).encode() + b"\0"
        self.socket.sendall(struct.pack("!II", len(parameters) + 8, 196608) + parameters)
        self.authenticate(target.password)
        self.until_ready()

    def authenticate(self, password):
        nonce = base64.b64encode(os.urandom(18)).decode()
        bare = f"n=,r={nonce}"
        while True:
            kind, body = self.message()
            code = struct.unpack("!I", body[:4])[0]
            if kind != b"R":
                raise ServerError(f"unexpected {kind} in authentication")
            if code == 0:
                return
            if code == 10:
                first = f"n,,{bare}".encode()
                self.send(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(first)) + first)
            elif code == 11:
                self.send(b"p", proof(password, bare, body[4:].decode()))

    def send(self, kind, body):
        self.socket.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def message(self):
        while len(self.buffer) < 5 or len(self.buffer) < 1 + struct.unpack("!I", self.buffer[1:5])[0]:
            data = self.socket.recv(65536)
            if not data:
                raise ServerError("the connection was closed")
            self.buffer += data
        end = 1 + struct.unpack("!I", self.buffer[1:5])[0]
        kind, body, self.buffer = self.buffer[:1], self.buffer[5:end], self.buffer[end:]
        if kind == b"E":
            raise ServerError(body.replace(b"\0", b" ").decode(errors="replace"))
        return kind, body

    def until_ready(self):
        while self.message()[0] != b"Z":
            pass

    def query(self, sql):
        self.send(b"Q", sql.encode() + b"\0")
        self.until_ready()

    def prepare(self, name, sql):
        """Parse and Describe, as drivers prepare a statement."""
        name = name.encode() + b"\0"
        self.send(b"P", name + sql.encode() + b"\0\0\0")
        self.send(b"D", b"S" + name)
        self.send(b"S", b"")
        self.until_ready()

    def copy_in(self, sql, rows, times):
        """COPY FROM STDIN; `rows` are ready-made CopyData messages, sent `times` times."""
        self.send(b"Q", sql.encode() + b"\0")
        while self.message()[0] != b"G":
            pass
        for _ in range(times):
            self.socket.sendall(rows)
        self.send(b"c", b"")
        self.until_ready()

    def close(self):
        self.send(b"X", b"")
        self.socket.close()


@lru_cache
def tls_context(authority):
    context = ssl.create_default_context(cafile=authority)
    context.set_alpn_protocols(["postgresql"])
    return context


def proof(password, bare, challenge):
    """The client's final message (RFC 5802)."""
    fields = dict(part.split("=", 1) for part in challenge.split(","))
    salted = salted_password(password, base64.b64decode(fields["s"]), int(fields["i"]))
    client_key = hmac_sha256(salted, b"Client Key")
    without_proof = f"c=biws,r={fields['r']}"
    signed = f"{bare},{challenge},{without_proof}".encode()
    signature = hmac_sha256(hashlib.sha256(client_key).digest(), signed)
    xored = bytes(a ^ b for a, b in zip(client_key, signature))
    return f"{without_proof},p={base64.b64encode(xored).decode()}".encode()


def verifier(password, iterations=4096):
    """A SCRAM verifier as pg_authid and userlist.txt hold it."""
    salt = os.urandom(16)
    salted = salted_password(password, salt, iterations)
    stored = hashlib.sha256(hmac_sha256(salted, b"Client Key")).digest()
    server = hmac_sha256(salted, b"Server Key")
    salt, stored, server = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${iterations}:{salt}${stored}:{server}"


def copy_rows(count):
    """`count` CopyData messages, each one row of 100 bytes."""
    rows = []
    for number in range(count):
        row = f"{number % 1_000_000:07d}\t".encode()
        row += b"x" * (99 - len(row)) + b"\n"
        rows.append(b"d" + struct.pack("!I", len(row) + 4) + row)
    return b"".join(rows)
