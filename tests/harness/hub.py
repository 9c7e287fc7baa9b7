"""A stand-in for the Hugging Face Hub: what `snapshot_download` asks of it, over real HTTP.

``tests/e2e/test_hub.py`` holds it to the library itself.
"""

import contextlib
import hashlib
import json
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """Models by id, each with its files; tests change the fields while it runs."""

    models: dict[str, dict[str, bytes]]
    port: int = 0
    gated: set[str] = field(default_factory=set)
    """Models that answer 403 with the Hub's words for a licence that was not accepted."""
    private: dict[str, str] = field(default_factory=dict)
    """The token that a model asks for; without it the answer is 401, as for a model that does not exist."""
    broken: dict[str, int] = field(default_factory=dict)
    """The status that a file's content is answered with."""
    overloaded: int = 0
    """The status that everything is answered with; 0: none."""
    downloads: list[str] = field(default_factory=list)
    """Paths of the files whose content was asked for."""
    hold: threading.Event = field(default_factory=threading.Event)
    """Set, contents pass; clear, they wait. Set at first."""

    @property
    def endpoint(self) -> str:
        """The value of HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def hub(models: dict[str, dict[str, bytes]]) -> Iterator[Hub]:
    """Start a Hub on a port of its own."""
    stand_in = Hub(models)
    stand_in.hold.set()
    handler = type("Handler", (_Handler,), {"hub": stand_in})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        stand_in.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield stand_in
        stand_in.hold.set()
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self._route(body=False)

    def do_GET(self) -> None:
        self._route(body=True)

    def _route(self, *, body: bool) -> None:
        parts = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).strip("/").split("/")
        is_api = parts[:2] == ["api", "models"]
        organization, name, kind, revision, *rest = (*(parts[2:] if is_api else parts), "", "")
        model = f"{organization}/{name}"
        path = "/".join(rest).strip("/")
        files = self.hub.models.get(model)
        token = self.hub.private.get(model)
        if self.hub.overloaded:
            self._refuse(self.hub.overloaded, "", "come back later")
        elif files is None or (token and self.headers.get("Authorization") != f"Bearer {token}"):
            self._refuse(401, "", "Invalid username or password.")
        elif model in self.hub.gated and not is_api:
            self._refuse(403, "GatedRepo", f"Access to model {model} is restricted.")
        elif revision not in {"main", COMMIT}:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        elif is_api:
            self._answer(200, json.dumps(_tree(files) if kind == "tree" else _info(model, files)).encode())
        elif path not in files:
            self._refuse(404, "EntryNotFound", "Entry not found")
        else:
            self._file(f"{model}/{path}", files[path], body=body)

    def _file(self, path: str, content: bytes, *, body: bool) -> None:
        if body:
            self.hub.downloads.append(path)
            self.hub.hold.wait()
            if path in self.hub.broken:
                self._refuse(self.hub.broken[path], "", "out of order")
                return
        headers = {"ETag": f'"{_etag(content)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._answer(206 if start else 200, content[start:], headers, body=body)

    def _refuse(self, status: int, code: str, message: str) -> None:
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self._answer(status, json.dumps({"error": message}).encode(), headers, body=self.command == "GET")

    def _answer(
        self, status: int, content: bytes, headers: dict[str, str] | None = None, *, body: bool = True
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


def _etag(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def _tree(files: dict[str, bytes]) -> list[dict[str, Any]]:
    return [
        {"type": "file", "path": path, "size": len(content), "oid": _etag(content)}
        for path, content in files.items()
    ]


def _info(model: str, files: dict[str, bytes]) -> dict[str, Any]:
    return {"id": model, "modelId": model, "sha": COMMIT, "siblings": [{"rfilename": path} for path in files]}
