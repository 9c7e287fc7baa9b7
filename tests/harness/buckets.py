"""Real object stores on this machine, and a wire to them that can be watched, cut and spoiled."""

import contextlib
import json
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rayllm_operator.cli.local_ray import free_ports
from tests.harness.go_modules import go_programs
from tests.harness.local_stack import CHECKOUT, StackError, engine_python, program, wait_until

KEYS = {"AWS_ACCESS_KEY_ID": "testkey", "AWS_SECRET_ACCESS_KEY": "test-secret"}
"""What opens the S3 server."""

_START_SECONDS = 30
_BLOCK = 1 << 16


@dataclass(frozen=True)
class S3Server:
    """A versitygw that stores its objects in a directory."""

    port: int
    work: Path
    certificate: Path | None = None
    """Its own certificate, as PEM; with one it speaks TLS."""

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    def fill(
        self,
        bucket: str,
        objects: Mapping[str, bytes | Path] | None = None,
        *,
        public: bool = False,
        part_size: int | None = None,
        delete: tuple[str, ...] = (),
    ) -> None:
        """Make the bucket if need be, and upload; contents over ``part_size`` bytes go up in parts."""
        entries = []
        for index, (key, content) in enumerate((objects or {}).items()):
            file = content if isinstance(content, Path) else self.work / f"upload-{index}"
            if isinstance(content, bytes):
                file.write_bytes(content)
            entries.append({"key": key, "file": str(file)} | ({"part_size": part_size} if part_size else {}))
        order = {"bucket": bucket, "public": public, "objects": entries, "delete": list(delete)}
        command = [str(engine_python()), "-m", "tests.harness.fill_bucket", self.endpoint]
        result = subprocess.run(
            command,
            input=json.dumps([order]),
            text=True,
            cwd=CHECKOUT,
            env={**KEYS, **({"AWS_CA_BUNDLE": str(self.certificate)} if self.certificate else {})},
            capture_output=True,
            check=False,
        )
        if result.returncode:
            raise StackError(f"filling {bucket} failed: {result.stderr.strip()}")


@contextlib.contextmanager
def s3_server(work: Path, *, tls: bool = False) -> Iterator[S3Server]:
    """Start an S3 server with its data in a directory, which has to support extended attributes.

    With ``tls`` it has a certificate that nobody trusts who is not told to.
    """
    (port,) = free_ports(1)
    for folder in ("data", "users"):
        (work / folder).mkdir(parents=True)
    command = [
        str(go_programs("stores") / "versitygw"),
        "--port",
        f"127.0.0.1:{port}",
        "--iam-dir",
        str(work / "users"),
    ]
    command += ["--access", KEYS["AWS_ACCESS_KEY_ID"], "--secret", KEYS["AWS_SECRET_ACCESS_KEY"]]
    certificate = _certificate(work) if tls else None
    if certificate:
        command += ["--cert", str(certificate), "--key", str(work / "key.pem")]
    with program("versitygw", [*command, "posix", str(work / "data")], work) as check:
        wait_until("the S3 server", lambda: _listens(port), seconds=_START_SECONDS, check=check)
        yield S3Server(port, work, certificate)


def _certificate(work: Path) -> Path:
    """Make a key and a certificate of this machine's, signed by itself."""
    path = work / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=store"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(work / "key.pem"), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


@dataclass(frozen=True)
class GcsServer:
    """A fake-gcs-server that keeps its objects in memory."""

    port: int

    @property
    def endpoint(self) -> str:
        """Its URL: the value of STORAGE_EMULATOR_HOST."""
        return f"http://127.0.0.1:{self.port}"

    def fill(self, bucket: str, objects: Mapping[str, bytes]) -> None:
        """Make a bucket if need be, and upload."""
        with contextlib.suppress(urllib.error.HTTPError):  # 409: it is there
            self._post("/storage/v1/b", json.dumps({"name": bucket}).encode())
        for key, content in objects.items():
            self._post(f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={_quoted(key)}", content)

    def compose(self, bucket: str, key: str, parts: list[str]) -> None:
        """Make one object of several, which leaves it without an MD5."""
        body = {"sourceObjects": [{"name": part} for part in parts], "destination": {"contentType": "x/y"}}
        self._post(f"/storage/v1/b/{bucket}/o/{_quoted(key)}/compose", json.dumps(body).encode())

    def _post(self, path: str, body: bytes) -> None:
        headers = {
            "Content-Type": "application/json" if body.startswith(b"{") else "application/octet-stream"
        }
        request = urllib.request.Request(self.endpoint + path, data=body, headers=headers, method="POST")
        with urllib.request.urlopen(request, timeout=30) as response:
            response.read()


@contextlib.contextmanager
def gcs_server(work: Path) -> Iterator[GcsServer]:
    """Start a Google Cloud Storage server; its log goes into the directory."""
    (port,) = free_ports(1)
    command = [
        str(go_programs("stores") / "fake-gcs-server"),
        "-scheme",
        "http",
        "-host",
        "127.0.0.1",
        "-port",
        str(port),
    ]
    command += ["-backend", "memory", "-public-host", f"127.0.0.1:{port}", "-data", str(work)]
    with program("fake-gcs-server", command, work) as check:
        wait_until("the GCS server", lambda: _listens(port), seconds=_START_SECONDS, check=check)
        yield GcsServer(port)


@dataclass
class Wire:
    """A TCP relay to a server. Tests change its fields while it runs."""

    port: int
    target: int
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each request that went through."""
    cuts: int = 0
    """How many answers with a long body are still to be cut in the middle."""
    hold: threading.Event = field(default_factory=threading.Event)
    """Set, bodies pass; clear, they stop after their first block. Set at first."""
    spoil: tuple[bytes, bytes] = (b"", b"")
    """Bytes in answers, and what becomes of them."""
    replies: dict[str, bytes] = field(default_factory=dict)
    """Answers that a GET of a path with this end gets instead of the server's."""
    pause: float = 0.0
    """Seconds before each block of an answer."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}"

    def fetched(self, suffix: str = "") -> list[str]:
        """Return the paths of the objects whose content was asked for, that end like this."""
        paths = (urllib.parse.urlsplit(path) for method, path in self.requests if method == "GET")
        return [each.path for each in paths if "list-type" not in each.query and each.path.endswith(suffix)]

    def carry(self, client: socket.socket) -> None:
        """Relay one connection."""
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            upstream = threading.Thread(target=self._forth, args=(client, server), daemon=True)
            upstream.start()
            with contextlib.suppress(OSError):
                self._back(server, client)
            for each in (client, server):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            upstream.join()

    def _forth(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := client.recv(_BLOCK):
                found = re.findall(rb"^(GET|HEAD|PUT|POST) (\S+) HTTP/1", block, re.MULTILINE)
                self.requests += [(method.decode(), path.decode()) for method, path in found]
                asked = {path.decode() for method, path in found if method == b"GET"}
                reply = next(
                    (self.replies[end] for end in self.replies for path in asked if path.endswith(end)), b""
                )
                if reply:
                    client.sendall(reply)
                else:
                    server.sendall(block)
            server.shutdown(socket.SHUT_WR)

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        passed = 0
        while block := server.recv(_BLOCK):
            time.sleep(self.pause)
            passed = len(block) + (0 if block.startswith(b"HTTP/1.") else passed)
            if passed > _BLOCK:  # in the middle of a long body
                self.hold.wait()
                if self._is_cut():
                    return
            client.sendall(block.replace(*self.spoil) if self.spoil[0] else block)

    def _is_cut(self) -> bool:
        """Take one of the cuts that are left, if any are; each connection is a thread of its own."""
        with self._lock:
            if self.cuts == 0:
                return False
            self.cuts -= 1
            return True


@contextlib.contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    """Open a relay to a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire = Wire(listener.getsockname()[1], port)
        wire.hold.set()

        def listen() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=wire.carry, args=(client,), daemon=True).start()

        threading.Thread(target=listen, daemon=True).start()
        try:
            yield wire
        finally:
            wire.hold.set()
            listener.shutdown(socket.SHUT_RDWR)


def _listens(port: int) -> Any:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return None


def _quoted(key: str) -> str:
    return urllib.parse.quote(key, safe="")
