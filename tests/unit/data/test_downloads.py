"""Oracle: a server on the loopback that sends what it was told to, as slowly as it was told to."""

import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pooch
import pytest
import requests

from empdis_utils.data import downloads


@pytest.fixture(scope="module")
def server():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            kind = self.path[1:]
            self.send_response(404 if kind == "none" else 200)
            if kind == "bomb":
                self.send_header("Content-Encoding", "gzip")
            if kind == "short":
                self.send_header("Content-Length", "100")
            self.end_headers()
            try:
                if kind == "drip":
                    for _ in range(300):
                        self.wfile.write(b"x")
                        time.sleep(0.05)
                elif kind == "endless":
                    while True:
                        self.wfile.write(bytes(10**5))
                elif kind != "none":
                    self.wfile.write(gzip.compress(bytes(10**7)) if kind == "bomb" else b"whole")
            except OSError:
                pass  # the other side has had enough

        def log_message(self, *_):
            """Keep the test output quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}/"
        http.shutdown()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_a_whole_file_arrives(server, tmp_path):
    downloads.limited(f"{server}whole", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"whole"


@pytest.mark.parametrize("kind", ["endless", "bomb"])
def test_a_file_without_end_is_refused_at_the_limit(server, tmp_path, kind):
    """Also one that only unpacks to that size; what is written stays below the limit."""
    with pytest.raises(downloads.DownloadRefused, match="larger than 1,000,000 bytes"):
        downloads.limited(f"{server}{kind}", tmp_path / "file", most_bytes=10**6)
    assert (tmp_path / "file").stat().st_size <= 10**6


def test_drips_end_at_the_time_limit(server, tmp_path):
    """Each byte comes in time, so no limit on silence ends it: fifteen seconds, were there none."""
    started = time.monotonic()
    with pytest.raises(downloads.DownloadRefused, match="not complete after 0.5 s"):
        downloads.limited(f"{server}drip", tmp_path / "file", most_s=0.5)
    assert time.monotonic() - started < 5


def test_what_goes_wrong_is_an_error_of_requests(server, tmp_path):
    with pytest.raises(requests.HTTPError, match="404"):
        downloads.limited(f"{server}none", tmp_path / "file")
    with pytest.raises(requests.ConnectionError, match="more expected|Incomplete"):
        downloads.limited(f"{server}short", tmp_path / "file")


def test_pooch_keeps_nothing_of_what_was_refused(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "MOST_BYTES", 3)
    with pytest.raises(OSError, match="larger than 3 bytes"):
        pooch.retrieve(f"{server}whole", None, "f", tmp_path, downloader=downloads.limited)
    assert not list(tmp_path.iterdir())
