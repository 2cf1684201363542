"""The annotation page in a real browser, served by Voilà, driven by the keyboard alone.

Two annotators work at once on 12 synthetic clips. One reloads the page in the middle, the other's
kernel is killed in the middle. All that is checked was recorded on that one drive.
"""

import base64
import io
import itertools
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from types import SimpleNamespace
from urllib.parse import urlparse

import av
import pandas as pd
import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe

from empdis_utils import places
from empdis_utils.data import corpora, tables
from empdis_utils.people import session
from empdis_utils.people.files import read_annotations
from empdis_utils.people.sampling import annotation_order
from empdis_utils.press import annotating

ROOT = places.ROOT
KEYS = {"empathetic": ("1", "e"), "neutral": ("2", "n")}
PATIENCE = 300_000  # ms: a busy machine is no fault
CELLS = list(itertools.product(("text", "audio", "video"), tables.QUADRANTS))


@pytest.fixture(scope="module")
def sample():
    clips = corpora.load("fixture").manifest["clip_id"][::13]
    rows = [(clip, *cell) for clip, cell in zip(clips, CELLS, strict=False)]
    return pd.DataFrame(rows, columns=["clip_id", "modality", "quadrant"])


@pytest.fixture(scope="module")
def server(tmp_path_factory, sample):
    """`make annotate` without make: the page on a free port of this computer."""
    home = tmp_path_factory.mktemp("annotate")
    tables.write(sample, home / "runs" / "fixture" / "artifacts", annotating.SAMPLE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "empdis_utils.press.annotating",
        "fixture",
        "--runs",
        home / "runs",
    ]
    command += ["--to", home / "answers", "--port", str(port)]
    log = open(home / "log", "w")
    process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}/"
    for _ in range(2400):  # ten minutes: starting is slow beside other work
        try:
            urllib.request.urlopen(f"{url}voila/static/voila.js").close()
            break
        except OSError:
            assert process.poll() is None, (home / "log").read_text()
            time.sleep(0.25)
    told = re.search(rf"Open ({url}\?token=\w+)\n", (home / "log").read_text())[1]
    folder = home / "answers" / "fixture"
    yield SimpleNamespace(url=url, told=told, port=port, pid=process.pid, folder=folder)
    kernels = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    process.wait(timeout=300)
    psutil.wait_procs(kernels, timeout=60)
    for kernel in kernels:
        if kernel.is_running():
            kernel.kill()
    log.close()


class Annotator:
    """One person at one window, who has no mouse."""

    def __init__(self, browser, server, name, seed=0, width=1000):
        self.server, self.name = server, name
        self.requests, self.frames, self.given, self.seen = [], [], [], []
        self.random = random.Random(seed)
        self.page = browser.new_page(viewport={"width": width, "height": 800})
        self.page.set_default_timeout(PATIENCE)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", self._listen)

    def _listen(self, socket):
        self.requests.append(socket.url)
        socket.on("framereceived", lambda data: self.frames.append(data))

    def open(self):
        """Load the page, go to the field by Tab, type the pseudonym; returns the kernel's pid."""
        before = {p.pid for p in psutil.Process(self.server.pid).children()}
        self.page.goto(self.server.told)
        self.page.wait_for_selector(".empdis-title")
        self.page.wait_for_function("window.empdisKeys")
        (self.kernel,) = {p.pid for p in psutil.Process(self.server.pid).children()} - before
        for _ in range(20):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("document.activeElement.tagName") == "INPUT":
                break
        self.page.keyboard.type(self.name)
        self.press("Enter")

    def press(self, key):
        """Press a key and wait for the page that it leads to."""
        heading = self.page.query_selector(".empdis-title")
        self.page.keyboard.press(key)
        self.page.wait_for_function("heading => !heading.isConnected", arg=heading)
        self.page.wait_for_selector(".empdis-title")
        self.since = time.monotonic()

    @property
    def title(self):
        return self.page.inner_text(".empdis-title")

    def judge(self, keep=True):
        """Look at what is shown, then give an answer."""
        full = self.title.startswith("The full clip")
        video, audio, words = (
            self.page.query_selector(f".empdis-media {tag}")
            for tag in ("video", "audio", "blockquote")
        )
        tracks = {tag: streams(e) for tag, e in (("video", video), ("audio", audio)) if e}
        self.seen.append((full, bool(words), tracks))
        on_screen = time.monotonic() - self.since
        self.page.wait_for_timeout(1000 * max(0, session.TOO_SOON_S + 0.05 - on_screen))
        judgment = self.random.choice(["neutral", "empathetic"])
        if keep:
            self.given.append(judgment)
        self.press(self.random.choice(KEYS[judgment]))

    def practise(self):
        for _ in range(6):
            self.judge(keep=False)
        assert self.title == "The practice is over"
        self.press("Enter")

    @property
    def file(self):
        return self.server.folder / f"{self.name}.csv"


def streams(element):
    data = base64.b64decode(element.get_attribute("src").split(",")[1])
    with av.open(io.BytesIO(data)) as container:
        return sorted(stream.type for stream in container.streams)


@pytest.fixture(scope="module")
def drive(browser, server):
    """Two whole sessions, one answer each in turn."""
    kim = Annotator(browser, server, "kim", 1)
    lee = Annotator(browser, server, "lee", 2, width=375)
    poor = {}
    for person in (kim, lee):
        person.open()
    poor["first clip"] = Axe().run(kim.page).response["violations"]
    wide = lee.page.evaluate("document.documentElement.scrollWidth")
    for person in (kim, lee):
        person.practise()
    assert not kim.file.exists()
    for i in range(24):
        if i == 9:  # between the first and the second answer to a clip
            kim.page.reload()
            kim.open()
            assert kim.title == "Welcome back" and "4 of 12" in kim.page.inner_text("body")
            kim.press("Enter")
        if i == 13:
            os.kill(lee.kernel, signal.SIGKILL)
            lee.page.keyboard.press("1")
            lee.page.wait_for_selector("text=The page has lost its program")
            lee.page.close()
            again = Annotator(browser, server, "lee", 3)
            again.given, again.seen, again.requests = lee.given, lee.seen, lee.requests
            again.frames, lee = lee.frames, again
            lee.open()
            assert lee.title == "Welcome back" and "6 of 12" in lee.page.inner_text("body")
            lee.press("Enter")
        kim.judge()
        lee.judge()
        assert len(read_annotations(lee.file)[0]) == i + 1
    poor["last page"] = Axe().run(kim.page).response["violations"]
    yield SimpleNamespace(people=(kim, lee), poor=poor, wide=wide)
    for person in (kim, lee):
        person.page.close()


def test_files_hold_exactly_the_judgments_given(drive, sample):
    for person in drive.people:
        assert person.title == "Done. Thank you!"
        annotations, problems = read_annotations(person.file, sample)
        assert problems.empty
        assert annotations["judgment"].tolist() == person.given
        order = annotation_order(sample, person.name, 42)
        assert annotations["clip_id"].tolist() == [c for c in order["clip_id"] for _ in range(2)]
        assert annotations["round"].tolist() == [1, 2] * 12
        assert set(annotations["annotator"]) == {person.name}
    files = sorted(p.name for p in drive.people[0].file.parent.glob("*.csv"))
    assert files == ["kim.csv", "lee.csv"]


def test_first_one_part_then_all_and_silent_video_has_no_sound_track(drive, sample):
    parts = {
        "text": (False, True, {}),
        "audio": (False, False, {"audio": ["audio"]}),
        "video": (False, False, {"video": ["video"]}),
    }
    full = (True, True, {"video": ["audio", "video"]})
    for person in drive.people:
        order = annotation_order(sample, person.name, 42)["modality"]
        expected = [step for modality in order for step in (parts[modality], full)]
        assert person.seen[-24:] == expected


def test_nothing_leaves_this_computer(drive, server):
    for person in drive.people:
        hosts = {urlparse(url).netloc for url in person.requests if not url.startswith("data:")}
        assert hosts == {f"127.0.0.1:{server.port}"}
    open_to = {c.laddr.ip for c in psutil.Process(server.pid).net_connections() if not c.raddr}
    assert open_to <= {"127.0.0.1"}


def test_neither_quadrant_nor_clip_nor_label_reaches_the_browser(drive, sample):
    labels = corpora.load("fixture").manifest
    assert not set(labels["label"]) & set(sample["clip_id"])
    for person in drive.people:
        sent = person.page.content().encode()
        sent += b"".join(f.encode() if isinstance(f, str) else f for f in person.frames)
        assert b"empdis-title" in sent
        for secret in ("quadrant", *sample["clip_id"], *labels["dialog_id"].unique() + "_"):
            assert secret.encode() not in sent, secret


def test_pages_are_accessible_and_fit_a_narrow_window(drive):
    found = {page: [v["id"] for v in violations] for page, violations in drive.poor.items()}
    assert found == {"first clip": [], "last page": []}
    assert drive.wide <= 375


def test_the_same_pseudonym_in_two_windows_never_judges_twice(browser, server, sample):
    max_file = session.JudgmentLog(server.folder / "max.csv", sample)
    clip = annotation_order(sample, "max", 42).iloc[0]
    max_file.append(dict(annotator="max", clip_id=clip["clip_id"], modality=clip["modality"],
                         round=1, judgment="neutral", shown=clip["modality"],
                         at="2026-01-01T00:00:00+00:00", seconds="1"))  # fmt: skip
    one, two = (Annotator(browser, server, "max", seed) for seed in (1, 2))
    for window in (one, two):
        window.open()
        window.press("Enter")
        assert window.title.startswith("The full clip")
    one.judge()
    two.judge()
    assert "used in another window" in two.page.inner_text("[role=alert]")
    one.judge()
    annotations, problems = read_annotations(max_file.path, sample)
    assert annotations["judgment"].tolist() == ["neutral", *one.given]
    assert set(problems["problem"]) == {"round 2 is missing for this clip"}
    for window in (one, two):
        window.page.close()


def test_another_site_cannot_use_the_page(server):
    """A host name that some site points to this computer is refused."""
    request = urllib.request.Request(server.url, headers={"Host": f"evil.example:{server.port}"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)


def test_without_the_token_there_is_no_page_and_no_program(browser, server):
    """Another user of this computer, and another page in its browser, do not know the token."""
    main = psutil.Process(server.pid)
    token = server.told.split("=")[1]
    assert len(token) == 48 and token not in " ".join(main.cmdline())
    context = browser.new_context()
    page, before = context.new_page(), main.children()
    for address in (server.url, f"{server.url}?token={'0' * 48}"):
        page.goto(address)
        page.wait_for_timeout(1000)
        assert "/login" in page.url and not page.query_selector(".empdis-title")
    kernel = "api/kernels/00000000-0000-0000-0000-000000000000"
    for address in (kernel, f"{kernel}/channels", f"voila/api/shutdown/{kernel[12:]}"):
        assert context.request.get(server.url + address).status in (403, 405), address
    assert context.request.post(f"{server.url}voila/api/shutdown/{kernel[12:]}").status == 403
    assert main.children() == before
    context.close()
