"""Thirty learners on one server: fair turns, the gain of asking the network together, and memory over time.

Each session is a websocket as a browser opens it: it opens the page, presses Run, presses it again when the walk is done, and
counts the steps that reach it. The baseline is one session alone, whose walks run one after another.

python benchmarks/sessions.py [--sessions 30] [--seconds 60] [--page From_noise_to_image] [--model emoji]
"""

from __future__ import annotations

import argparse
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.request import urlopen

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

ROOT = Path(__file__).resolve().parents[1]
STEP = re.compile(r"step (\d+) of (\d+)")


class Session(threading.Thread):
    """One learner. steps: how many have reached the browser so far; trouble: what went wrong, if anything did."""

    def __init__(self, port: int, page: str, query: str):
        super().__init__(daemon=True)
        self.port, self.page, self.query = port, page, query
        self.steps, self.runs, self.trouble, self.ready = 0, 0, "", threading.Event()
        self.go, self.over = threading.Event(), threading.Event()

    def run(self) -> None:
        try:
            with connect(f"ws://127.0.0.1:{self.port}/_stcore/stream", subprotocols=["streamlit"], max_size=None) as socket:
                self._learn(socket)
        except Exception as e:  # shown at the end, with the figures
            if not self.over.is_set():
                self.trouble = f"{type(e).__name__}: {e}"
            self.ready.set()

    def _learn(self, socket) -> None:
        self._send(socket)
        button, last = "", 0
        while not self.over.is_set():
            try:
                message = ForwardMsg.FromString(socket.recv(timeout=1))
            except TimeoutError:
                continue
            kind = message.WhichOneof("type")
            if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                element = message.delta.new_element
                if element.WhichOneof("type") == "button" and element.button.label == "Run":
                    button = button or element.button.id
                if element.WhichOneof("type") == "exception":
                    self.trouble = element.exception.message
                found = STEP.match(element.progress.text) if element.WhichOneof("type") == "progress" else None
                if found:
                    now = int(found[1])
                    self.steps += now - last if now > last else now
                    last = now if now < int(found[2]) else 0
            elif kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                self.ready.set()
                if not button:
                    self.trouble = "the page has no Run"
                    return
                while not self.go.wait(0.2):
                    if self.over.is_set():
                        return
                last = 0
                self.runs += 1
                self._send(socket, button)

    def _send(self, socket, pressed: str = "") -> None:
        message = BackMsg()
        message.rerun_script.query_string = self.query
        message.rerun_script.page_name = self.page
        if pressed:
            state = message.rerun_script.widget_states.widgets.add()
            state.id, state.trigger_value = pressed, True
        socket.send(message.SerializeToString())


def served(port: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "streamlit", "run", "Home.py", "--server.headless=true", f"--server.port={port}"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        try:
            urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).close()
            return server
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the app did not start")


def memory(pid: int) -> float:
    """Resident MB of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1000


def measured(sessions: list[Session], seconds: float, pid: int) -> tuple[list[float], list[float]]:
    """Steps a second of each session, and the server's memory on the way, once each has a first walk in its memory."""
    for s in sessions:
        s.go.set()
    while any(s.runs < 2 and not s.trouble for s in sessions):
        time.sleep(0.5)
    before, started, grown = [s.steps for s in sessions], time.monotonic(), []
    while (past := time.monotonic() - started) < seconds:
        time.sleep(min(10, seconds - past))
        grown.append(memory(pid))
    past = time.monotonic() - started
    return [(s.steps - b) / past for s, b in zip(sessions, before, strict=True)], grown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--page", default="From_noise_to_image")
    parser.add_argument("--model", default="emoji")
    parser.add_argument("--alone", type=float, default=30, help="seconds of the session alone")
    args = parser.parse_args()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = served(port)
    try:

        def opened(n: int) -> list[Session]:
            sessions = [Session(port, args.page, f"model={args.model}&seed={180 + i}") for i in range(n)]
            for one in sessions:
                one.start()
            for one in sessions:
                one.ready.wait(120)
            return sessions

        def close(sessions: list[Session]) -> None:
            for one in sessions:
                one.over.set()
            for one in sessions:
                one.join(5)

        alone = opened(1)
        [rate], _ = measured(alone, args.alone, server.pid)
        close(alone)
        print(f"one session alone: {rate:.1f} steps/s" + (f" ({alone[0].trouble})" if alone[0].trouble else ""), flush=True)
        together = opened(args.sessions)
        rates, grown = measured(together, args.seconds, server.pid)
        close(together)
        for trouble in {s.trouble for s in together if s.trouble}:
            print("trouble:", trouble)
        total = sum(rates)
        print(f"{args.sessions} sessions: {total:.1f} steps/s together, {total / rate:.2f} times the session alone")
        print(f"slowest {min(rates):.2f}, fastest {max(rates):.2f} steps/s: {min(rates) / max(rates):.2f} of it")
        fifths = [grown[round(i * (len(grown) - 1) / 5)] for i in range(6)]
        print(
            "memory, when each had walked once, and after every fifth of the time: "
            + ", ".join(f"{m:.0f}" for m in fifths)
            + " MB"
        )
    finally:
        server.terminate()
        server.wait(10)


if __name__ == "__main__":
    main()
