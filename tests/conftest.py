"""Fixtures: the app, served as people run it, and Chromium to drive it."""

import io
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from lessons_lib import log
from lessons_lib.places import ROOT

QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)

PATIENCE = 180_000  # ms that a browser test waits for what must come: a small machine has other things to do


def _missing(reason: str) -> None:
    """Browser tests may be left out on a laptop without a browser, never in CI."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def exact(monkeypatch):
    """Shared networks compute in float32 for this test, as diffusers' pipelines do."""
    from contextlib import nullcontext

    from lessons_lib.models import batching

    monkeypatch.setattr(batching, "autocast", nullcontext)


@pytest.fixture
def logged(monkeypatch):
    """What the library logs during this test, as it stands on stderr."""
    handler = log.handler(io.StringIO())
    monkeypatch.setattr(log.LIBRARY, "handlers", [handler])
    monkeypatch.setattr(log.LIBRARY, "propagate", False)
    before = log.LIBRARY.level
    log.LIBRARY.setLevel(logging.INFO)
    yield handler.stream
    log.LIBRARY.setLevel(before)


@contextmanager
def served(script: str, written: Path):
    """A Streamlit script on a free port of this machine; yields its address."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.headless=true", f"--server.port={port}"]
    with written.open("wb") as out:
        server = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            assert server.poll() is None, written.read_text()
            try:
                urlopen(f"{url}/_stcore/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        else:
            pytest.fail(f"the app did not start within a minute:\n{written.read_text()}")
        yield url
    finally:
        server.terminate()
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:  # a busy machine
            server.kill()
            server.wait()


@pytest.fixture(scope="session")
def app_url(tmp_path_factory):
    """The app on a free port of this machine, for the whole session."""
    with served("Home.py", tmp_path_factory.mktemp("app") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def chromium():
    """Debian's Chromium, or Playwright's own where that was installed."""
    try:
        from playwright.sync_api import Error, expect, sync_playwright
    except ImportError:
        _missing("browser tests need playwright: pip install playwright")
    expect.set_options(timeout=PATIENCE)
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as p:
        try:
            browser = p.chromium.launch(executable_path=path, args=QUIET.split())
        except Error as e:
            _missing(f"browser tests need Chromium: apt-get install chromium ({str(e).splitlines()[0]})")
        yield browser
        browser.close()


@contextmanager
def fresh_page(chromium, **how):
    """A page of 1280 x 900 in a context of its own. how: more of new_context()'s arguments."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, **how)
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture
def browser_page(chromium):
    """A fresh page of 1280 x 900 in light mode; resize it or emulate_media() for others."""
    with fresh_page(chromium, color_scheme="light") as page:
        yield page
