"""A small S3 server for measurements: sendfile from a directory, so that it is never what a client waits for.

``python -m benchmarks.mirror.server DIRECTORY LATENCY_SECONDS`` prints its port. It speaks what downloads
need: ListObjectsV2 (one page), HeadObject and GetObject with ranges and If-Match. Signatures are not
checked. ETags and checksums are those that the real store would give, read from the directory's
``manifest.json``.
"""

import contextlib
import json
import os
import re
import sys
import threading
import time
import urllib.parse
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from xml.sax.saxutils import escape

MANIFEST = "manifest.json"
COUNTERS = "/-/counters"
"""A GET answers with what was asked for and sent since the last such GET, as JSON."""

_WRITTEN = 1_700_000_000


class Handler(BaseHTTPRequestHandler):
    """Answers requests for the one bucket that there is."""

    protocol_version = "HTTP/1.1"
    directory: ClassVar[Path]
    manifest: ClassVar[Mapping[str, Any]]
    latency: ClassVar[float]
    counters: ClassVar[dict[str, int]] = {}
    lock: ClassVar[threading.Lock] = threading.Lock()

    def do_GET(self) -> None:
        """List the bucket, send an object or report the counters."""
        if self.path == COUNTERS:
            with self.lock:
                body = json.dumps(self.counters).encode()
                self.counters.clear()
            self._answer(HTTPStatus.OK, body)
            return
        self._object_or_list(send=True)

    def do_HEAD(self) -> None:
        """Describe an object."""
        self._object_or_list(send=False)

    def _object_or_list(self, *, send: bool) -> None:
        time.sleep(self.latency)
        self._count("requests", 1)
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        _, _bucket, key = (*url.path.split("/", 2), "", "")[:3]
        key = urllib.parse.unquote(key)
        if not key:
            self._answer(HTTPStatus.OK, self._listing(query.get("prefix", [""])[0]))
        elif key not in self.manifest:
            self._answer(HTTPStatus.NOT_FOUND, _error("NoSuchKey", key) if send else b"")
        elif self.headers.get("If-Match", self._etag(key)) != self._etag(key):
            self._answer(HTTPStatus.PRECONDITION_FAILED, _error("PreconditionFailed", key) if send else b"")
        else:
            self._object(key, send=send)

    def _object(self, key: str, *, send: bool) -> None:
        size = self.manifest[key]["size"]
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, end = (int(asked[1]), min(int(asked[2] or size - 1) + 1, size)) if asked else (0, size)
        self.send_response(HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.send_header("Content-Length", str(end - start))
        self.send_header("Content-Type", "binary/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Last-Modified", formatdate(_WRITTEN, usegmt=True))
        self.send_header("ETag", self._etag(key))
        if self.headers.get("x-amz-checksum-mode") and not asked:
            for name, value in self.manifest[key]["checksums"].items():
                self.send_header(name, value)
        self.end_headers()
        if send:
            self._send_file(key, start, end)

    def _send_file(self, key: str, position: int, end: int) -> None:
        with (self.directory / key).open("rb") as file:
            self.wfile.flush()
            while position < end:
                sent = os.sendfile(self.connection.fileno(), file.fileno(), position, end - position)
                self._count("bytes", sent)
                position += sent

    def _listing(self, prefix: str) -> bytes:
        found = [(key, each) for key, each in sorted(self.manifest.items()) if key.startswith(prefix)]
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified>"
            f"<ETag>{escape(self._etag(key))}</ETag><Size>{each['size']}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key, each in found
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>bucket</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(found)}</KeyCount>"
            f"<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
        ).encode()

    def _etag(self, key: str) -> str:
        return f'"{self.manifest[key]["etag"]}"'

    def _answer(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _count(self, what: str, amount: int) -> None:
        with self.lock:
            self.counters[what] = self.counters.get(what, 0) + amount

    def log_message(self, *_: Any) -> None:
        """Write no log."""


class Server(ThreadingHTTPServer):
    """A thread for each connection."""

    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Pass over clients that hang up."""


def _error(code: str, key: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{code}</Message><Key>{escape(key)}</Key></Error>".encode()


def main(directory: str, latency: str) -> None:
    """Serve until the process is ended."""
    Handler.directory = Path(directory)
    Handler.manifest = json.loads((Handler.directory / MANIFEST).read_text())
    Handler.latency = float(latency)
    with Server(("127.0.0.1", 0), Handler) as server, contextlib.suppress(KeyboardInterrupt):
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
