"""Replicas behind HAProxy: their configuration, and what a replica's death and a rolling restart cost."""

import importlib.util
import io
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import suppress
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from benchmarks.load import Browser, Seen, a_photo, connected
from lessons_lib.places import ROOT

DEPLOY = ROOT / "deploy"
spec = importlib.util.spec_from_file_location("deploy_local", DEPLOY / "local.py")
local = importlib.util.module_from_spec(spec)
spec.loader.exec_module(local)

needs_haproxy = pytest.mark.skipif(shutil.which("haproxy") is None, reason="apt-get install haproxy")


@needs_haproxy
@pytest.mark.parametrize("n", [0, 1, 4])
def test_haproxy_takes_the_configuration(n, tmp_path):
    """0: as it stands, for Compose."""
    text = local.config(list(range(9001, 9001 + n)), "127.0.0.1", 9000) if n else local.CONFIG.read_text(encoding="utf-8")
    (tmp_path / "haproxy.cfg").write_text(text)
    done = subprocess.run(
        ["haproxy", "-c", "-f", tmp_path / "haproxy.cfg"],
        env={**os.environ, "COOKIE_SECRET": "x"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^    server app\d", text, re.MULTILINE)) == n
    assert "cookie REPLICA insert" in text
    assert "balance source" not in text  # a class behind one address would land on one replica


@needs_haproxy
def test_in_another_sites_frame_the_cookie_travels_and_only_by_https(tmp_path):
    text = local.config([9001], "127.0.0.1", 9000, framed=True)
    assert 'cookie REPLICA insert indirect nocache httponly secure attr "SameSite=None"\n' in text
    assert "secure" not in local.config([9001], "127.0.0.1", 9000)
    done = subprocess.run(
        [sys.executable, DEPLOY / "local.py", "1", "--frames", "https://a.example"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "--frames needs --cert" in done.stderr


def test_the_image_runs_as_nobody_special_and_is_watched():
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert text.index("USER learner") < text.index("CMD [")
    assert "--server.address=0.0.0.0" in text
    assert "HEALTHCHECK" in text
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    assert "COOKIE_SECRET:?" in compose  # without it, it does not start
    assert "runs:/runs" in compose


def wait(true, seconds: float, what: str) -> float:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, what
        time.sleep(0.1)
    return time.monotonic() - began


# --- two replicas, ten visitors and a browser ---------------------------------------------------------------------------

WALK = "Classifier_free_guidance"
BACK = 5.0  # seconds within which a browser is to be on the other replica


class Visitor:
    """A tab that comes back when its connection is lost, as a browser's does. lost: how often that was."""

    def __init__(self, port: int, i: int):
        self.port, self.seen, self.lost = port, Seen(), 0
        self.query = f"model=mnist&seed={100 + i}&guidance_scale={2 + i}"
        self._connect(f"REPLICA=app{i % 2}")

    def _connect(self, replica: str) -> None:
        self.socket = connected(self.port, replica).__enter__()
        self.tab = Browser(self.socket, self.port, self.seen, threading.Event(), replica)

    @property
    def replica(self) -> str:
        return self.tab.replica.removeprefix("REPLICA=")

    def view(self) -> tuple:
        """What is set, as it is shown."""
        sliders = [(s.label, tuple(s.value if s.set_value else s.default)) for s in self.tab.widgets["slider"]]
        numbers = [(n.label, n.value if n.set_value else n.default) for n in self.tab.widgets["number_input"]]
        return (*sliders, *numbers)

    def again(self) -> tuple[float, float]:
        """Connect anew, with the cookie and the link. Returns when the connection stood, and when the page did."""
        self.socket.close()
        self.lost += 1
        began, page, cookie = time.monotonic(), self.tab.page, self.tab.replica
        while True:
            try:
                self._connect(cookie)
                break
            except (OSError, InvalidHandshake, TimeoutError):
                assert time.monotonic() - began < 60
                time.sleep(0.1)
        there = time.monotonic()
        self.tab.open(page, self.query)
        return there, time.monotonic()

    def stay(self, over: threading.Event) -> None:
        """Be there, and come back, until it is over."""
        while not over.is_set():
            try:
                self.socket.recv(timeout=0.2)
            except TimeoutError:
                pass
            except ConnectionClosed:
                self.again()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fleet")
    made = local.Fleet(2, port=local.free_port(), runs=folder / "runs", logs=folder)
    try:
        for i in range(2):
            wait(lambda i=i: made.ready(i), 120, "a replica did not start")
        yield made
    finally:
        made.end()


@pytest.fixture
def visitors(fleet):
    """Ten, five on each replica, each with a page open."""
    all_ten = [Visitor(fleet.port, i) for i in range(10)]
    for one in all_ten:
        one.tab.open(WALK, one.query)
    assert [v.replica for v in all_ten] == ["app0", "app1"] * 5
    yield all_ten
    for one in all_ten:
        one.socket.close()


@needs_haproxy
@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.browser
def test_a_replica_is_killed_mid_walk_and_its_browsers_are_back_on_the_other(fleet, visitors, chromium):
    """Ten visitors walk, and a browser with them. Those whose replica dies see the same view again; the others notice nothing."""
    url = f"http://127.0.0.1:{fleet.port}"
    before = {v.tab.query: v.view() for v in visitors}
    context = chromium.new_context()
    context.add_cookies([{"name": "REPLICA", "value": "app0", "url": url}])
    context.set_default_timeout(120_000)
    page = context.new_page()
    page.goto(f"{url}/Adding_class?num_inference_steps=300&seed=7&guidance_scale=3.5")
    page.get_by_label("My notes").fill("what I had seen")
    page.get_by_label("My notes").blur()
    idle = '[data-testid="stApp"][data-test-connection-state="CONNECTED"][data-test-script-state="notRunning"]'
    page.wait_for_selector(idle)

    def walk(v: Visitor) -> None:
        try:
            assert v.tab.press("Run", "walks")
        except ConnectionClosed:
            v.lost = -1  # again() is for whoever saw it

    threads = [threading.Thread(target=walk, args=(v,)) for v in visitors]
    page.get_by_role("button", name="Run").first.click()
    page.get_by_text(re.compile(r"step \d+ of")).first.wait_for()
    for t in threads:
        t.start()
    wait(lambda: all(v.tab.steps > 1 for v in visitors), 60, "they do not walk")
    began = time.monotonic()
    fleet.replicas[0].send_signal(signal.SIGKILL)
    took = {}
    lost = [v for v in visitors if v.replica == "app0"]

    def come_back(v: Visitor, t: threading.Thread) -> None:
        t.join()
        assert v.lost == -1, "it had walked to its end before the kill"
        took[v.tab.query] = [moment - began for moment in v.again()]

    returning = [threading.Thread(target=come_back, args=(v, threads[visitors.index(v)])) for v in lost]
    for t in returning:
        t.start()
    page.wait_for_selector('[data-testid="stApp"]:not([data-test-connection-state="CONNECTED"])')
    page.wait_for_selector('[data-testid="stApp"][data-test-connection-state="CONNECTED"]')
    connected_again = time.monotonic() - began
    page.wait_for_selector(idle)
    in_view = time.monotonic() - began
    for t in (*returning, *threads):
        t.join(120)
    print(f"\nthe browser: connected after {connected_again:.1f} s, its view whole after {in_view:.1f} s")
    print(
        "visitors: connected",
        sorted(round(a, 2) for a, _ in took.values()),
        "view",
        sorted(round(b, 2) for _, b in took.values()),
    )

    assert len(took) == 5
    assert max(a for a, _ in took.values()) < BACK
    assert connected_again < BACK
    assert in_view < 4 * BACK  # the five walks of the other replica go on meanwhile
    assert [replica_of(context), *(v.replica for v in lost)] == ["app1"] * 6
    assert all(v.view() == before[v.query] for v in lost)
    page.wait_for_function("() => location.search.includes('guidance_scale=3.5')")
    assert "seed=7" in page.url
    assert "num_inference_steps=300" in page.url
    assert page.get_by_label("My notes").input_value() == "what I had seen"
    for v in visitors:
        if v not in lost:  # each walked to its end
            assert v.lost == 0
            assert re.match(r"step (\d+) of \1\b", v.tab.said), v.tab.said
        assert not v.seen.trouble

    one = lost[0].tab  # uploads and downloads
    one.open("Image_to_image", "model=mnist&picture=upload")
    one.upload(one.widgets["file_uploader"][0], "a photo.jpg", a_photo(random.Random(1)))
    assert any("a photo.jpg" in m.body for m in one.widgets["markdown"])
    saved = [one.fetch(button) for button in one.files]
    assert any(x.startswith(b"<!") or zipfile.is_zipfile(io.BytesIO(x)) or x.startswith(b"\x89PNG") for x in saved)
    assert not lost[0].seen.trouble
    context.close()
    assert fleet.tend() == [0]  # and it is started again
    wait(lambda: fleet.ready(0), 120, "it did not come back")


@needs_haproxy
@pytest.mark.slow
@pytest.mark.alone
def test_a_training_is_found_steered_and_continued_from_the_other_replica(fleet):
    """Started on one, paused, taken up and stopped on the other; a rolling restart of both disturbs neither it nor a visitor."""
    first, other = Visitor(fleet.port, 0), Visitor(fleet.port, 1)
    tab = first.tab
    tab.open("Train_on_MNIST", "network=class_conditioned&num_hiddens=8&batch_size=32&epochs=40&num_digits=5000")
    assert tab.press("Train", "trains")
    steers = next(c.code_text for c in tab.widgets["code"] if "&key=" in c.code_text)
    first.query = other.query = urlsplit(steers).query
    run = parse_qs(first.query)["run"][0]
    assert "key" not in parse_qs(urlsplit(tab.widgets["page_link"][0].page).query)

    def status(v: Visitor) -> str:
        v.tab.open("Train_on_MNIST", v.query)
        words = "waiting|training|paused|stopped|interrupted|finished|failed"
        return next(m[1] for x in v.tab.widgets["markdown"] if (m := re.match(rf":\w+\[({words})\] ·", x.body)))

    def step(v: Visitor) -> int:
        v.tab.open("Train_on_MNIST", v.query)
        return max((int(m[1]) for p in v.tab.widgets.get("progress", ()) if (m := re.match(r"step (\d+) of", p.text))), default=0)

    try:
        wait(lambda: step(other) > 0, 120, "it does not train")
        assert other.tab.press("Pause", "steers")
        wait(lambda: status(first) == "paused", 60, "the first does not see the pause")
        at = step(first)
        assert first.tab.press("Resume", "steers")
        wait(lambda: step(other) > at, 120, "it does not go on from where it was")

        over = threading.Event()
        staying = [Visitor(fleet.port, i) for i in range(10)]
        for v in staying:
            v.tab.open("Forward_noising", v.query)
        before = {v.query: v.view() for v in staying}
        threads = [threading.Thread(target=v.stay, args=(over,)) for v in staying]
        for t in threads:
            t.start()
        old, began = [p.pid for p in fleet.replicas], time.monotonic()
        fleet.roll(grace=1)
        print(f"\na rolling restart took {time.monotonic() - began:.1f} s; connections lost: {[v.lost for v in staying]}")
        over.set()
        for t in threads:
            t.join(60)
        assert not set(old) & {p.pid for p in fleet.replicas}
        assert all(1 <= v.lost <= 2 for v in staying)  # those sent to the second before it was restarted were sent back
        assert [v.seen.trouble for v in staying] == [[]] * 10
        assert {v.query: v.view() for v in staying} == before
        for v in staying:
            v.socket.close()

        for v in (first, other):
            v.again()
        now = step(first)
        assert now > at
        wait(lambda: step(other) > now, 60, "the training did not outlive the restart")
        assert other.tab.press("Stop", "steers")
        wait(lambda: status(first) == "stopped", 60, f"{run} is not stopped")
        assert not [*first.seen.trouble, *other.seen.trouble]
    finally:
        for folder in (fleet.folder / "runs" / "mnist").glob("r*"):
            (folder / "wanted").write_text("cancel")  # a worker of a failed test ends by itself
        for v in (first, other):
            v.socket.close()


@needs_haproxy
@pytest.mark.slow
@pytest.mark.alone
def test_what_a_stranger_gets(fleet):
    """Headers on every answer; a file without the token against forged requests, or for a tab that is none, is not taken."""
    url = f"http://127.0.0.1:{fleet.port}"
    with urlopen(f"{url}/", timeout=10) as answer:
        headers = answer.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Content-Security-Policy"].strip() == "frame-ancestors 'self'"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "HttpOnly" in next(c for c in headers.get_all("Set-Cookie") if c.startswith("REPLICA="))
    visitor = Visitor(fleet.port, 0)
    visitor.tab.open("Image_to_image", "model=mnist&picture=upload")
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nxyz\r\n--x--\r\n'
    for session, token in ((visitor.tab.session, ""), (visitor.tab.session, "guessed"), ("nobody", visitor.tab._xsrf())):
        cookies = "; ".join(x for x in (visitor.tab.replica, f"_streamlit_xsrf={token}" if session == "nobody" else "") if x)
        headers = {"Content-Type": "multipart/form-data; boundary=x", "X-Xsrftoken": token, "Cookie": cookies}
        with pytest.raises(HTTPError) as refused:
            urlopen(Request(f"{url}/_stcore/upload_file/{session}/a-file", body, headers, method="PUT"), timeout=10)
        assert refused.value.code in (400, 403)
    for path in ("/app/static/../Home.py", "/component/../../etc/passwd", "/media/..%2f..%2fHome.py"):
        with suppress(HTTPError), urlopen(url + path, timeout=10) as answer:
            assert b"from lessons_lib" not in (read := answer.read())
            assert b"root:" not in read
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{url}/_stcore/metrics", timeout=10)
    assert refused.value.code == 403
    visitor.socket.close()


def test_no_other_port_is_opened():
    """A Ray head runs whatever it is sent: nothing in deploy/ publishes its ports, or any but HAProxy's."""
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    assert re.findall(r"^\s*ports:.*", compose, re.MULTILINE) == ['    ports: ["${PORT:-8501}:8501"]']
    assert "network_mode: host" not in compose
    for path in DEPLOY.iterdir():
        if path.is_file():
            assert not re.search(r"\b(6379|8265|10001)\b", path.read_text(encoding="utf-8")), path


def replica_of(context) -> str:
    return next(c["value"] for c in context.cookies() if c["name"] == "REPLICA")
