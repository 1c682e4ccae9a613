"""Replicas of the app behind HAProxy on one machine, without Docker: for a department's server, and for tests.

    python deploy/local.py 4 [--port 8501] [--address 0.0.0.0] [--runs FOLDER] [--cert FILE.pem] [--frames https://moodle.example.org]

A replica that dies is started again. SIGHUP restarts one after another, after an update: `kill -HUP PID`, or `systemctl reload`.
Ctrl+C or SIGTERM ends all of them. HAProxy is Debian's `haproxy`.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]
CONFIG = Path(__file__).with_name("haproxy.cfg")
GRACE = 20.0  # seconds that a walk has to end before its replica is restarted
PATIENCE = 180.0  # seconds for a replica to start on a busy machine


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def config(
    ports: Sequence[int], address: str, port: int, *, control: Path | None = None, cert: Path | None = None, framed: bool = False
) -> str:
    """haproxy.cfg for replicas on these ports of this machine, each with a cookie of its own.

    Args: control: a socket that takes HAProxy's commands, for this user alone. cert: certificate and key as one PEM file, for
    HTTPS. framed: another site shows the lessons in a frame, so that the cookie must travel there; browsers ask HTTPS for it.
    """
    text = CONFIG.read_text(encoding="utf-8")
    text = re.sub(r"resolvers docker\n(?:    .*\n)+", "", text)
    text = text.replace("bind *:8501", f"bind {address}:{port}" + (f" ssl crt {cert}" if cert else ""))
    text = text.replace(" dynamic\n", "\n").replace('    dynamic-cookie-key "${COOKIE_SECRET}"\n', "")
    text = text.replace(" init-addr none resolvers docker", "")
    if control is not None:
        text = text.replace("global\n", f"global\n    stats socket {control} mode 600 level admin\n")
    if framed:
        text = text.replace(" httponly", ' httponly secure attr "SameSite=None"')
    servers = "".join(f"    server app{i} 127.0.0.1:{p} check cookie app{i}\n" for i, p in enumerate(ports))
    return re.sub(r"    server-template .*\n", servers, text)


class Fleet:
    """Replicas, and HAProxy before them. replicas: their processes, in order; ports: where each listens."""

    def __init__(
        self,
        n: int,
        *,
        port: int,
        address: str = "127.0.0.1",
        runs: Path | None = None,
        logs: Path | None = None,
        cert: Path | None = None,
        frames: str = "",
        options: Sequence[str] = (),
    ):
        """options: more of `streamlit run`'s, for every replica. frames: the sites that may show the lessons in a frame."""
        if shutil.which("haproxy") is None:
            raise SystemExit("HAProxy is not here: apt-get install haproxy")
        self.port, self.folder = port, logs or Path(tempfile.mkdtemp(prefix="lessons-"))
        self.ports = [free_port() for _ in range(n)]
        self.options = [*options, *(["--server.xsrfCookieSameSite=none"] if frames else [])]
        secret = secrets.token_hex(32)  # one for all replicas, or uploads fail
        self.env = {**os.environ, "STREAMLIT_SERVER_COOKIE_SECRET": secret, "FRAMES": frames}
        if runs is not None:
            self.env["DIFFUSION_RUNS"] = str(runs)
        self.control = self.folder / "haproxy.sock"
        written = self.folder / "haproxy.cfg"
        written.write_text(
            config(self.ports, address, port, control=self.control, cert=cert, framed=bool(frames)), encoding="utf-8"
        )
        self.replicas = [self._start(i) for i in range(n)]
        self.front = subprocess.Popen(["haproxy", "-f", written], env=self.env, stderr=subprocess.DEVNULL)

    def _start(self, i: int) -> subprocess.Popen:
        command = [sys.executable, "-m", "streamlit", "run", "Home.py", "--server.headless=true", "--server.address=127.0.0.1"]
        with (self.folder / f"app{i}.log").open("ab") as log:
            how = {"cwd": ROOT, "env": self.env, "stdout": log, "stderr": log}
            return subprocess.Popen([*command, f"--server.port={self.ports[i]}", *self.options], **how)

    def tend(self) -> list[int]:
        """Start again what has ended; returns which."""
        ended = [i for i, one in enumerate(self.replicas) if one.poll() is not None]
        for i in ended:
            self.replicas[i] = self._start(i)
        if self.front.poll() is not None:
            raise SystemExit(f"HAProxy ended: haproxy -c -f {self.folder / 'haproxy.cfg'}")
        return ended

    def ready(self, i: int) -> bool:
        """True when HAProxy sends browsers to this replica."""
        if not self.control.exists():  # HAProxy has only just been started
            return False
        row = self._row(i)
        return row is not None and row[17].startswith("UP") and self._healthy(i)

    def roll(self, grace: float = GRACE) -> None:
        """Restart one replica after another, so that all run what lies in the folder now. No browser is left without one.

        A replica gets no new browsers, and `grace` seconds for the walks on it; then its browsers are sent to the others, and
        it is restarted. The next follows when it is healthy. Raises TimeoutError if one does not come back; those after it run on.
        """
        for i in range(len(self.replicas)):
            self._command(f"set server lessons/app{i} state drain")
            self._wait(lambda i=i: not self._open(i), grace)
            self._command(f"set server lessons/app{i} state maint")
            end(self.replicas[i])
            self.replicas[i] = self._start(i)
            back = self._wait(lambda i=i: self._healthy(i), PATIENCE)
            self._command(f"set server lessons/app{i} state ready")
            if not back or not self._wait(lambda i=i: self.ready(i), PATIENCE):
                raise TimeoutError(f"replica {i} did not come back within {PATIENCE:.0f} s: see {self.folder / f'app{i}.log'}")

    def _open(self, i: int) -> int:
        """How many connections the replica has."""
        row = self._row(i)
        return 0 if row is None else int(row[4])

    def _row(self, i: int) -> list[str] | None:
        """What HAProxy says of a replica: its line of `show stat`, column by column; None if it says nothing."""
        rows = (line.split(",") for line in self._command("show stat").splitlines())
        return next((row for row in rows if len(row) > 17 and row[1] == f"app{i}"), None)

    def _healthy(self, i: int) -> bool:
        base = next((f"/{o.split('=', 1)[1].strip('/')}" for o in self.options if o.startswith("--server.baseUrlPath=")), "")
        try:
            urlopen(f"http://127.0.0.1:{self.ports[i]}{base}/_stcore/health", timeout=2).close()
            return True
        except OSError:
            return False

    def _wait(self, true: Callable[[], object], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                return False
            time.sleep(0.2)
        return True

    def _command(self, line: str) -> str:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(str(self.control))
            s.sendall(line.encode() + b"\n")
            return b"".join(iter(lambda: s.recv(65536), b"")).decode()

    def end(self) -> None:
        """End all, and wait for it."""
        for one in (self.front, *self.replicas):
            one.terminate()
        for one in (self.front, *self.replicas):
            end(one)


def end(process: subprocess.Popen) -> None:
    """End a process, and wait for it."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("replicas", type=int)
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--address", default="127.0.0.1", help="0.0.0.0 for a class")
    parser.add_argument("--runs", type=Path, help="where trainings lie; default cache/runs")
    parser.add_argument("--cert", type=Path, help="certificate and key in one PEM file: HTTPS")
    parser.add_argument("--frames", default="", help="sites that may show the lessons in a frame; with --cert")
    args = parser.parse_args()
    if args.frames and not args.cert:
        parser.error("--frames needs --cert: browsers send a cookie into another site's frame by HTTPS alone")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wanted: list[int] = []
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda number, _: wanted.append(number))
    where = {"port": args.port, "address": args.address, "runs": args.runs}
    fleet = Fleet(args.replicas, **where, cert=args.cert, frames=args.frames)
    scheme = "https" if args.cert else "http"
    print(f"{args.replicas} replicas behind {scheme}://{args.address}:{args.port}; logs in {fleet.folder}", flush=True)
    try:
        while True:
            for i in fleet.tend():
                print(f"replica {i} had ended, and is started again", flush=True)
            if wanted:
                wanted.clear()
                print("restarting one replica after another ...", flush=True)
                try:
                    fleet.roll()
                    print("all replicas are restarted", flush=True)
                except TimeoutError as e:
                    print(e, flush=True)
            time.sleep(2)
    except KeyboardInterrupt:
        print("ending ...")
    finally:
        fleet.end()


if __name__ == "__main__":
    main()
