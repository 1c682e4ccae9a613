"""Replicas behind HAProxy: their configuration, and what a replica's death costs."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import time
from urllib.request import Request, urlopen

import pytest

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


def answers(url: str, cookie: str = "") -> bool:
    try:
        with urlopen(Request(url, headers={"Cookie": cookie} if cookie else {}), timeout=2):
            return True
    except OSError:
        return False


@pytest.fixture
def fleet(tmp_path):
    made = local.Fleet(2, port=local.free_port(), runs=tmp_path / "runs", logs=tmp_path)
    try:
        for port in (*made.ports, made.port):
            wait(lambda port=port: answers(f"http://127.0.0.1:{port}/_stcore/health"), 120, "a replica did not start")
        time.sleep(3)  # until HAProxy has seen both
        yield made
    finally:
        made.end()


@needs_haproxy
@pytest.mark.slow
@pytest.mark.browser
def test_a_replica_is_killed_and_its_browsers_are_back_on_the_other(fleet, chromium, tmp_path):
    """Two browsers, one on each replica. The one whose replica dies shows the same view again; the other notices nothing."""
    url, pages = f"http://127.0.0.1:{fleet.port}", {}
    while len(pages) < 2:
        context = chromium.new_context()
        context.set_default_timeout(120_000)
        page = context.new_page()
        page.goto(f"{url}/Forward_noising?t=321&seed=7")
        page.get_by_text("My notes").wait_for()
        pages.setdefault(replica_of(context), page)
        assert len(chromium.contexts) < 6
    (lost, page), (_, other) = sorted(pages.items())
    fleet.replicas[int(lost.removeprefix("app"))].send_signal(signal.SIGKILL)
    page.wait_for_selector('[data-testid="stApp"]:not([data-test-connection-state="CONNECTED"])')
    began = time.monotonic()
    page.wait_for_selector('[data-testid="stApp"][data-test-connection-state="CONNECTED"][data-test-script-state="notRunning"]')
    took = time.monotonic() - began
    print(f"back after {took:.1f} s")
    assert replica_of(page.context) != lost
    assert took < 20  # 2 to 3 s on a quiet machine
    page.wait_for_function("() => location.search.includes('t=321')")
    assert "seed=7" in page.url
    page.get_by_label("how much noise: t").first.wait_for()
    assert other.locator('[data-testid="stApp"]').get_attribute("data-test-connection-state") == "CONNECTED"
    assert fleet.tend() == [int(lost.removeprefix("app"))]  # and it is started again
    wait(lambda: answers(f"{url}/_stcore/health", f"REPLICA={lost}"), 120, "it did not come back")


def replica_of(context) -> str:
    return next(c["value"] for c in context.cookies() if c["name"] == "REPLICA")
