"""A class at work on one server: walks, sliders, uploads, drawings, saved files and changes of page, all at once, for minutes.

Every session is a websocket as a browser opens it, and does one thing again and again, with the pauses that people make:

    walks       Run, wait for the walk, then move a slider beside what was walked, twice
    sliders     t of Forward noising, every second or two
    uploads     a photo into Image to image, another each time, and the page that follows from it
    draws       a digit, stroke by stroke, on the one-step denoiser
    saves       fetch Save this lesson and the picture of a walk, as files
    wanders     from lesson to lesson

Asked for: 95% of slider moves answered within 300 ms, memory flat from the second fifth of the time on, no error in the log.

    python benchmarks/load.py [--sessions 30] [--minutes 10] [--keep-log FILE]
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
from PIL import Image
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.Slider_pb2 import Slider
from websockets.sync.client import connect

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 120.0  # seconds for an answer
PAGES = ("Forward_noising", "Three_ways_to_denoise", "Image_to_image", "One_step_denoiser", "Adding_class", "Inside_the_UNet", "")
WANTED_MS, WANTED_GROWTH = 300, 0.1


@dataclass
class Seen:
    """What all sessions met. took: kind of action -> seconds of each, from sending it to the end of the page's run."""

    took: dict[str, list[float]] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, seconds: float) -> None:
        with self.lock:
            self.took.setdefault(kind, []).append(seconds)

    def wrong(self, what: str) -> None:
        with self.lock:
            self.trouble.append(what[:300])


class Browser:
    """One tab: what it sends, and the widgets it was shown last.

    replica: the cookie that a load balancer gave, "REPLICA=app0"; "" where there is none. said: how far its walk is, in words.
    """

    def __init__(self, socket, port: int, seen: Seen, over: threading.Event, replica: str = ""):
        self.socket, self.base, self.seen, self.over = socket, f"127.0.0.1:{port}", seen, over
        given = socket.response.headers.get_all("Set-Cookie") if socket.response else []
        self.replica = next((c.partition(";")[0] for c in given if c.startswith("REPLICA=")), replica)
        self.page, self.query, self.session, self.said = "", "", "", ""
        self.widgets: dict[str, list] = {}  # kind -> the protos that the last run drew
        self.files: list = []  # the page's buttons that download something
        self.steps = 0

    def open(self, page: str, query: str = "") -> None:
        """Another page, or the same with other settings in its link."""
        self.page, self.query = page, query
        self._ask("opens a page")

    def set(self, kind: str, widget, value, field_name: str) -> None:
        """Change one widget and wait for the page. kind: what it is counted as."""

        def fill(state) -> None:
            state.id = widget.id
            if field_name == "double_array_value":
                state.double_array_value.data.append(float(value))
            else:
                setattr(state, field_name, value)

        self._ask(kind, fill)

    def press(self, label: str, kind: str) -> bool:
        """Press the first button of that label; False if there is none."""
        button = next((b for b in self.widgets.get("button", ()) if b.label == label and not b.disabled), None)
        if button is not None:
            self.set(kind, button, True, "trigger_value")
        return button is not None

    def upload(self, widget, name: str, data: bytes) -> None:
        """Give a file to an uploader."""
        message = BackMsg()
        message.file_urls_request.request_id = "1"
        message.file_urls_request.file_names.append(name)
        message.file_urls_request.session_id = self.session
        self.socket.send(message.SerializeToString())
        urls = self._until(lambda m: m.file_urls_response.file_urls[0] if m.WhichOneof("type") == "file_urls_response" else None)
        boundary = "----load"
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        body = head + data + f"\r\n--{boundary}--\r\n".encode()
        token = self._xsrf()
        cookies = "; ".join(x for x in (f"_streamlit_xsrf={token}" if token else "", self.replica) if x)
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "X-Xsrftoken": token, "Cookie": cookies}
        urlopen(Request(f"http://{self.base}{urls.upload_url}", body, headers, method="PUT"), timeout=PATIENCE).close()

        def fill(state) -> None:
            state.id = widget.id
            info = state.file_uploader_state_value.uploaded_file_info.add()
            info.name, info.size, info.file_id = name, len(data), urls.file_id
            info.file_urls.CopyFrom(urls)

        self._ask("uploads", fill)

    def _xsrf(self) -> str:
        """The token against forged requests, which goes back as a cookie and as a header."""
        with self._get("/_stcore/health") as answer:
            found = re.search(r"_streamlit_xsrf=([^;]+)", " ".join(answer.headers.get_all("Set-Cookie", [])))
        return found[1] if found else ""

    def _get(self, path: str):
        return urlopen(Request(f"http://{self.base}{path}", headers={"Cookie": self.replica}), timeout=PATIENCE)

    def fetch(self, button) -> bytes:
        """Download a file that the page offers; it is made when it is asked for. b"" if it cannot be made."""
        began, url = time.monotonic(), button.url
        if button.deferred_file_id:
            message = BackMsg()
            message.backend_operation_request.request_id = "1"
            message.backend_operation_request.session_id = self.session
            message.backend_operation_request.deferred_file.file_id = button.deferred_file_id
            self.socket.send(message.SerializeToString())
            answer = self._until(
                lambda m: m.backend_operation_response if m.WhichOneof("type") == "backend_operation_response" else None
            )
            url = answer.deferred_file.url
            if answer.error_msg:
                self.seen.wrong(f"{self.page}: {button.label}: {answer.error_msg}")
                return b""
        with self._get(url) as answer:
            read = answer.read()
        self.seen.add("downloads", time.monotonic() - began)
        return read

    def _ask(self, kind: str, fill: Callable | None = None) -> None:
        message = BackMsg()
        message.rerun_script.query_string, message.rerun_script.page_name = self.query, self.page
        if fill is not None:
            fill(message.rerun_script.widget_states.widgets.add())
        self.widgets, self.files = {}, []
        began = time.monotonic()
        self.socket.send(message.SerializeToString())
        self._until(self._note)
        self.seen.add(kind, time.monotonic() - began)

    def _note(self, message) -> bool | None:
        """Take down a message; True at the end of the page's run."""
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.session = message.new_session.initialize.session_id
        if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            what = element.WhichOneof("type")
            self.widgets.setdefault(what, []).append(getattr(element, what))
            if what == "exception":
                self.seen.wrong(f"{self.page}: {element.exception.message}")
            if what == "alert" and "material/error" in element.alert.icon:
                self.seen.wrong(f"{self.page}: {element.alert.body}")
            if what == "download_button":
                self.files.append(element.download_button)
            if what == "progress" and element.progress.text.startswith("step "):
                self.steps, self.said = self.steps + 1, element.progress.text
        if kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
            return True
        return None

    def _until(self, wanted: Callable):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                message = ForwardMsg.FromString(self.socket.recv(timeout=1))
            except TimeoutError:
                if self.over.is_set():
                    raise Over from None
                continue
            found = wanted(message)
            if found is not None:
                return found
        raise TimeoutError(f"{self.page} gave no answer within {PATIENCE:.0f} s")


class Over(Exception):
    """The time is up."""


# --- what people do -----------------------------------------------------------------------------------------------------


def sliders_of(tab: Browser) -> list:
    """Those for a number; one of a few in order sends words."""
    return [s for s in tab.widgets.get("slider", ()) if s.type == Slider.SLIDER and not s.disabled]


def move(tab: Browser, slider, rng: random.Random) -> None:
    """To any place on its scale."""
    at = slider.min + rng.random() * (slider.max - slider.min)
    step = slider.step or 1
    tab.set("moves a slider", slider, slider.min + round((at - slider.min) / step) * step, "double_array_value")


def walks(tab: Browser, rng: random.Random) -> Iterator[float]:
    tab.open("Adding_class", f"num_inference_steps=100&seed={rng.randrange(1000)}")
    while True:
        if not tab.press("Run", "walks"):
            tab.seen.wrong("Adding_class has no Run")
        yield rng.uniform(1, 4)
        for _ in range(2):
            move(tab, rng.choice(sliders_of(tab)), rng)
            yield rng.uniform(1, 3)


def moves(tab: Browser, rng: random.Random) -> Iterator[float]:
    tab.open("Forward_noising", f"seed={rng.randrange(1000)}")
    while True:
        move(tab, sliders_of(tab)[0], rng)
        yield rng.uniform(0.7, 2)


def a_photo(rng: random.Random, side: int = 600) -> bytes:
    """A JPEG as a phone makes it, though smaller."""
    noise = np.random.default_rng(rng.randrange(2**32)).integers(0, 255, (side // 8, side // 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((side, side * 3 // 4)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def uploads(tab: Browser, rng: random.Random) -> Iterator[float]:
    tab.open("Image_to_image", "model=emoji&picture=upload")
    while True:
        tab.upload(tab.widgets["file_uploader"][0], f"photo {rng.randrange(1000)}.jpg", a_photo(rng))
        yield rng.uniform(2, 5)
        move(tab, rng.choice(sliders_of(tab)), rng)
        yield rng.uniform(2, 5)


def draws(tab: Browser, rng: random.Random) -> Iterator[float]:
    tab.open("One_step_denoiser", "input=your+drawing")
    strokes: list = []
    while True:
        line = [rng.randrange(1000), rng.randrange(1000)]
        for _ in range(30):
            line += [min(1000, max(0, v + rng.randrange(-80, 80))) for v in line[-2:]]
        strokes = [*strokes, ["pen", "#ffffff", 100, *line]] if len(strokes) < 5 else []
        canvas = next(c for c in tab.widgets["bidi_component"] if "canvas" in c.component_name)
        tab.set("draws", canvas, json.dumps({"strokes": strokes}), "json_value")
        yield rng.uniform(1, 3)


def saves(tab: Browser, rng: random.Random) -> Iterator[float]:
    while True:
        tab.open("Classifier_free_guidance", f"model=mnist&seed={rng.randrange(1000)}")
        tab.press("Run", "walks")
        yield rng.uniform(1, 3)
        if not tab.files:
            tab.seen.wrong("nothing to save")
        for button in tab.files[:4]:
            tab.fetch(button)
            yield rng.uniform(0.5, 1)


def wanders(tab: Browser, rng: random.Random) -> Iterator[float]:
    while True:
        tab.open(rng.choice(PAGES))
        yield rng.uniform(2, 6)


PEOPLE = (walks, moves, uploads, draws, saves, wanders)


def connected(port: int, replica: str = "", path: str = ""):
    """A websocket to the app, open within `with`. replica: a load balancer's cookie. path: what stands before the app's own paths."""
    cookie = {"Cookie": replica} if replica else {}
    url = f"ws://127.0.0.1:{port}{path}/_stcore/stream"
    return connect(url, subprotocols=["streamlit"], max_size=None, additional_headers=cookie)


def live(port: int, person: Callable, number: int, seen: Seen, over: threading.Event) -> None:
    """One session until the time is over."""
    rng = random.Random(number)
    try:
        with connected(port) as socket:
            for pause in person(Browser(socket, port, seen, over), rng):
                if over.wait(pause):
                    return
    except Over:
        pass
    except Exception as e:
        if not over.is_set():
            seen.wrong(f"{person.__name__}: {type(e).__name__}: {e}")


# --- the server ---------------------------------------------------------------------------------------------------------


def memory(pid: int) -> float:
    """Resident MB of a process."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1000


def served(port: int, log: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "streamlit", "run", "Home.py", "--server.headless=true", f"--server.port={port}"]
    with log.open("wb") as out:
        server = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
    for _ in range(300):
        try:
            urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).close()
            return server
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"the app did not start: {log.read_text()[-2000:]}")


def wrong_lines(log: str) -> list[str]:
    """Of a server's log, the lines that tell of an error."""
    return [line for line in log.splitlines() if re.search(r"\b(ERROR|CRITICAL|Traceback|Exception)\b", line)]


def table(seen: Seen, grown: list[float], errors: list[str]) -> tuple[str, bool]:
    """(the figures in words, whether all that was asked for was met)."""
    rows = [f"{'':22}{'times':>7}{'median':>9}{'95%':>9}{'slowest':>9}"]
    for kind, took in sorted(seen.took.items()):
        cut = sorted(took)
        ms = (statistics.median(cut), cut[min(len(cut) - 1, int(0.95 * len(cut)))], cut[-1])
        rows.append(f"{kind:22}{len(cut):7}" + "".join(f"{1000 * s:6.0f} ms" for s in ms))
    fifths = [grown[round(i * (len(grown) - 1) / 5)] for i in range(6)]
    rows.append("memory after each fifth: " + ", ".join(f"{m:.0f}" for m in fifths) + " MB")
    moved = sorted(seen.took.get("moves a slider", [float("inf")]))
    p95 = 1000 * moved[min(len(moved) - 1, int(0.95 * len(moved)))]
    growth = fifths[-1] / fifths[1] - 1
    met = {
        f"95% of slider moves within {WANTED_MS} ms": p95 <= WANTED_MS,
        f"memory flat ({growth:+.0%} from the first fifth on)": growth <= WANTED_GROWTH,
        f"no error in the log ({len(errors)})": not errors,
        f"no session met trouble ({len(seen.trouble)})": not seen.trouble,
    }
    rows += [f"{'met' if ok else 'NOT MET':8}{what}" for what, ok in met.items()]
    rows += [f"  {n} times: {what}" for what, n in counted(seen.trouble + errors)]
    return "\n".join(rows), all(met.values())


def counted(lines: list[str]) -> list[tuple[str, int]]:
    return sorted(((line, lines.count(line)) for line in set(lines)), key=lambda one: -one[1])[:10]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--keep-log", type=Path, help="where the server's log goes")
    args = parser.parse_args()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    log = args.keep_log or Path(tempfile.mkdtemp()) / "log"
    server, seen, over, grown = served(port, log), Seen(), threading.Event(), []
    try:
        with connected(port) as first:  # torch and the networks are there, as in the second minute of any lesson
            warm = Browser(first, port, Seen(), over)
            for page in dict.fromkeys(("Classifier_free_guidance", "Adding_class", *PAGES)):
                warm.open(page)
        threads = [
            threading.Thread(target=live, args=(port, PEOPLE[i % len(PEOPLE)], i, seen, over), daemon=True)
            for i in range(args.sessions)
        ]
        for thread in threads:
            thread.start()
            time.sleep(0.1)
        end = time.monotonic() + 60 * args.minutes
        while time.monotonic() < end:
            grown.append(memory(server.pid))
            time.sleep(min(5, max(0.0, end - time.monotonic())))
        grown.append(memory(server.pid))
        over.set()
        for thread in threads:
            thread.join(10)
    finally:
        over.set()
        server.terminate()
        server.wait(10)
    text, met = table(seen, grown, wrong_lines(log.read_text(errors="replace")))
    print(f"{args.sessions} sessions, {args.minutes:g} minutes\n{text}")
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    main()
