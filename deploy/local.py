"""Replicas of the app behind HAProxy on one machine, without Docker: for a department's server, and for tests.

    python deploy/local.py 4 [--port 8501] [--address 0.0.0.0] [--runs FOLDER]

A replica that dies is started again. Ctrl+C or SIGTERM ends all of them. HAProxy is Debian's `haproxy`.
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
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = Path(__file__).with_name("haproxy.cfg")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def config(ports: list[int], address: str, port: int) -> str:
    """haproxy.cfg for replicas on these ports of this machine, each with a cookie of its own."""
    text = CONFIG.read_text(encoding="utf-8")
    text = re.sub(r"resolvers docker\n(?:    .*\n)+", "", text)
    text = text.replace("bind *:8501", f"bind {address}:{port}")
    text = text.replace(" dynamic\n", "\n").replace('    dynamic-cookie-key "${COOKIE_SECRET}"\n', "")
    text = text.replace(" init-addr none resolvers docker", "")
    servers = "".join(f"    server app{i} 127.0.0.1:{p} check cookie app{i}\n" for i, p in enumerate(ports))
    return re.sub(r"    server-template .*\n", servers, text)


class Fleet:
    """Replicas, and HAProxy before them. replicas: their processes, in order; ports: where each listens."""

    def __init__(self, n: int, *, port: int, address: str = "127.0.0.1", runs: Path | None = None, logs: Path | None = None):
        if shutil.which("haproxy") is None:
            raise SystemExit("HAProxy is not here: apt-get install haproxy")
        self.port, self.folder = port, logs or Path(tempfile.mkdtemp(prefix="lessons-"))
        self.ports = [free_port() for _ in range(n)]
        self.env = {**os.environ, "STREAMLIT_SERVER_COOKIE_SECRET": secrets.token_hex(32)}  # one for all, or uploads fail
        if runs is not None:
            self.env["DIFFUSION_RUNS"] = str(runs)
        (self.folder / "haproxy.cfg").write_text(config(self.ports, address, port), encoding="utf-8")
        self.replicas = [self._start(i) for i in range(n)]
        self.front = subprocess.Popen(["haproxy", "-f", self.folder / "haproxy.cfg"], stderr=subprocess.DEVNULL)

    def _start(self, i: int) -> subprocess.Popen:
        command = [sys.executable, "-m", "streamlit", "run", "Home.py", "--server.headless=true", "--server.address=127.0.0.1"]
        with (self.folder / f"app{i}.log").open("ab") as log:
            how = {"cwd": ROOT, "env": self.env, "stdout": log, "stderr": log}
            return subprocess.Popen([*command, f"--server.port={self.ports[i]}"], **how)

    def tend(self) -> list[int]:
        """Start again what has ended; returns which."""
        ended = [i for i, one in enumerate(self.replicas) if one.poll() is not None]
        for i in ended:
            self.replicas[i] = self._start(i)
        if self.front.poll() is not None:
            raise SystemExit(f"HAProxy ended: haproxy -c -f {self.folder / 'haproxy.cfg'}")
        return ended

    def end(self) -> None:
        """End all, and wait for it."""
        for one in (self.front, *self.replicas):
            one.terminate()
        for one in (self.front, *self.replicas):
            try:
                one.wait(20)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("replicas", type=int)
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--address", default="127.0.0.1", help="0.0.0.0 for a class")
    parser.add_argument("--runs", type=Path, help="where trainings lie; default cache/runs")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    fleet = Fleet(args.replicas, port=args.port, address=args.address, runs=args.runs)
    print(f"{args.replicas} replicas behind http://{args.address}:{args.port}; logs in {fleet.folder}", flush=True)
    try:
        while True:
            for i in fleet.tend():
                print(f"replica {i} had ended, and is started again", flush=True)
            time.sleep(2)
    except KeyboardInterrupt:
        print("ending ...")
    finally:
        fleet.end()


if __name__ == "__main__":
    main()
