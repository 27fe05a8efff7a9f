"""A Kaggle, a Zenodo and a GitHub on loopback, which serve small archives and every failure that a fetch can meet.

The real clients talk to them. Faults are taken one a request, in order; when they are used up, the server is well.
"""

import base64
import contextlib
import hashlib
import json
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

SIGNED = "X-Goog-Signature=5ig9a7ure"  # as good as a token for whoever reads it


@dataclass
class Fault:
    """What goes wrong with one request.

    status: answered in place of the content; headers: beside it; cut: bytes after which the connection ends;
    stall: whether nothing is sent until the server is closed
    """

    status: int = 0
    headers: dict = field(default_factory=dict)
    cut: int | None = None
    stall: bool = False


@dataclass
class Seen:
    """One request."""

    method: str
    path: str
    headers: dict
    body: dict


class Quiet(ThreadingHTTPServer):
    """Says nothing of clients that hang up."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


class Server:
    """Files under their paths, with Range, If-Range and ETag.

    ranges: whether it gives parts; most: bytes that it gives of one; always_cut: after which each connection ends;
    hash_header: True, or anything else for a wrong one, or None
    """

    def __init__(self):
        self.files, self.faults, self.seen = {}, [], []
        self.ranges, self.most, self.always_cut, self.hash_header, self.answers = True, None, None, True, {}
        self.closed = threading.Event()
        handler = type("Handler", (Handler,), {"fake": self})
        self.http = Quiet(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.closed.set()
        self.http.shutdown()
        self.http.server_close()

    def fault(self):
        return self.faults.pop(0) if self.faults else Fault()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: Server

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer("GET")

    def do_POST(self):
        self.answer("POST")

    def answer(self, method):
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}") if length else {}
        path = urlsplit(self.path).path
        self.fake.seen.append(Seen(method, self.path, dict(self.headers), body))
        with contextlib.suppress(ConnectionError):
            if path in self.fake.answers:
                self.send(*self.fake.answers[path](body, self.headers))
            else:
                self.send_file(path, self.fake.fault())

    def send(self, status, headers, content):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def send_file(self, path, fault):
        if fault.stall:
            self.fake.closed.wait(20)
            self.close_connection = True
            return
        content = self.fake.files.get(path)
        if fault.status or content is None:
            # a server's own words, which may hold what no person should read
            self.send(fault.status or 404, fault.headers, f"error about {SIGNED}".encode())
            return
        tag, begin = f'"{hashlib.md5(content).hexdigest()}"', 0
        headers = {"ETag": tag, "Content-Type": "application/zip", **fault.headers}
        if self.fake.hash_header:
            md5 = hashlib.md5(content).digest() if self.fake.hash_header is True else b"another 16 bytes"
            headers["x-goog-hash"] = f"crc32c=AAAAAA==,md5={base64.b64encode(md5).decode()}"
        asked, same, end = self.headers.get("Range"), self.headers.get("If-Range") in (None, tag), len(content)
        if asked and self.fake.ranges and same:
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
            if begin >= len(content):
                self.send(416, {}, b"")
                return
            end = min(end, begin + (self.fake.most or end))
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(content)}"
        self.send_response(206 if begin else 200)
        for name, value in {**headers, "Content-Length": str(end - begin)}.items():
            self.send_header(name, value)
        self.end_headers()
        cuts = [cut for cut in (fault.cut, self.fake.always_cut) if cut is not None]
        end = min([end, *cuts])
        self.wfile.write(content[begin:end] if end > begin else b"")
        self.close_connection = bool(cuts)


class Kaggle(Server):
    """Kaggle's API; what it hands out lies in a storage of its own, at signed addresses.

    public: whether it gives data sets to anybody; tokens: those that it knows; refusal: what it answers who may not
    """

    def __init__(self, storage):
        super().__init__()
        self.storage, self.public, self.tokens, self.refusal, self.version = storage, True, set(), 401, 7
        self.keys, self.faults_of_api = set(), []
        service = "/v1/datasets.DatasetApiService/"
        self.answers = {
            f"{service}DownloadDataset": self.download,
            f"{service}GetDataset": self.about,
            f"{service}GetDatasetMetadata": self.metadata,
            "/v1/security.OAuthService/IntrospectToken": self.introspect,
        }

    def may(self, headers):
        shown = headers.get("Authorization", "")
        key = base64.b64decode(shown.removeprefix("Basic ")).decode() if shown.startswith("Basic ") else ""
        return self.public and not shown or shown.removeprefix("Bearer ") in self.tokens or key in self.keys

    def no(self, status):
        words = json.dumps({"code": status, "message": f"no: {status} Client Error about {SIGNED}"}).encode()
        return status, {"Content-Type": "application/json"}, words

    def download(self, body, headers):
        if self.faults_of_api:
            fault = self.faults_of_api.pop(0)
            return fault.status, fault.headers, b""
        if not self.may(headers):
            return self.no(self.refusal)
        version = body.get("datasetVersionNumber") or self.version
        place = f"/{body['ownerSlug']}/{body['datasetSlug']}/{version}/archive.zip"
        if place not in self.storage.files:
            return self.no(404)
        return 302, {"Location": f"{self.storage.url}{place}?{SIGNED}"}, b""

    def about(self, body, headers):
        if not self.may(headers):
            return self.no(self.refusal)
        return self.as_json({"id": 1, "currentVersionNumber": self.version, "licenseName": "CC0-1.0"})

    def metadata(self, body, headers):
        return self.as_json({"info": {"licenses": [{"name": "CC0-1.0"}]}})

    def introspect(self, body, headers):
        active = body.get("token") in self.tokens
        return self.as_json({"active": active, "username": "somebody"} if active else {"active": False})

    def as_json(self, content):
        return 200, {"Content-Type": "application/json"}, json.dumps(content).encode()


def zipped(folder, to, inside="", but=("SOURCE.json", "splits")):
    """The content of a zip of a folder's files, below the folder `inside`, without what no archive has."""
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        for path in listed(folder, but):
            made.write(path, f"{inside}{path.relative_to(folder).as_posix()}")
    return Path(to).read_bytes()


def tarred(folder, to, but=("SOURCE.json",)):
    """The content of a tgz of a folder's files."""
    with tarfile.open(to, "w:gz", compresslevel=1) as made:
        for path in listed(folder, but):
            made.add(path, path.relative_to(folder).as_posix())
    return Path(to).read_bytes()


def listed(folder, but):
    found = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return [path for path in found if path.relative_to(folder).parts[0] not in but]
