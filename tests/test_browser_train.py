"""Training in a real browser: it goes on when the page is left, its link finds it, and its buttons steer it."""

import re
import shutil

import pytest

pytest.importorskip("playwright", reason="browser tests need playwright: pip install playwright")
from playwright.sync_api import expect  # noqa: E402

from lessons_lib.runs import runs  # noqa: E402
from tests.browsing import visit  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.slow]
expect.set_options(timeout=60_000)  # a worker has to start, and a small machine has other things to do
STEP = re.compile(r"step (\d+) of")


@pytest.fixture
def training(browser_page, app_url):
    """A page with a small run of 40 epochs just begun; the run is stopped and removed afterwards."""
    visit(browser_page, app_url, "train", train_num_hiddens_0="8", train_epochs_0="40", train_num_digits_0="1000")
    browser_page.get_by_role("button", name="Train").click()
    browser_page.wait_for_url(re.compile(r"run=r[0-9a-f]{7}"))
    run = re.search(r"run=(r[0-9a-f]{7})", browser_page.url)[1]
    yield browser_page, run
    runs.cancel(run)
    for _ in range(100):
        if runs.watch(run).status in runs.ENDED:
            break
        browser_page.wait_for_timeout(100)
    shutil.rmtree(runs.FOLDER / run, ignore_errors=True)


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
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused at step")).to_be_visible()
    paused = runs.watch(run).step
    page.wait_for_timeout(1500)
    assert runs.watch(run).step == paused
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("training ·").first).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped at step")).to_be_visible()
    assert runs.watch(run).status == "cancelled"


def test_a_run_that_does_not_exist_is_one_sentence(browser_page, app_url):
    visit(browser_page, app_url, "train", run="r0000000")
    expect(browser_page.get_by_text("There is no run r0000000")).to_be_visible()
    expect(browser_page.get_by_role("button", name="Train")).to_be_enabled()
