"""Walks in a real browser: what streams, what stays, and what a link, a phone and the dark make of it."""

import re

import pytest

pytest.importorskip("playwright", reason="browser tests need playwright: pip install playwright")
from playwright.sync_api import expect

from tests.browsing import open_tab, press_run, run_to_the_end, seen, steps_of, visit, wait, watch

pytestmark = pytest.mark.browser


def test_every_step_streams_in_order_and_the_walk_ends_live(browser_page, app_url):
    visit(browser_page, app_url, "guidance")
    watch(browser_page)
    run_to_the_end(browser_page)
    expect(browser_page.get_by_text("live ·").first).to_be_visible()
    moments = [steps_of(m) for m in seen(browser_page)]
    order = [max(m) for m in moments if m]
    assert order == sorted(order), "a later step was seen before an earlier one"
    assert order[0] <= 5, "none of the first steps was seen"  # a busy machine lets frames pass that came too fast to paint
    assert len(set(order)) >= 6, f"only {sorted(set(order))} of 29 steps were seen"


def test_a_new_run_never_shows_the_old_one_and_nothing_jumps(browser_page, app_url):
    visit(browser_page, app_url, "guidance")
    run_to_the_end(browser_page)
    watch(browser_page)
    run_to_the_end(browser_page)
    before, *after = seen(browser_page)
    old = {p["src"] for p in before["pictures"]}
    assert old
    running = [m for m in after if steps_of(m)]
    assert running
    last = max(steps_of(running[-1]))
    for moment in running:
        pictures, ends = moment["pictures"], max(steps_of(moment)) == last
        # at the last step the clean pictures come one by one, the very same as before, for the seed is
        walking = next(i for i, p in enumerate(pictures) if steps_of({"pictures": [p]})) if ends else 0
        assert not old & {p["src"] for p in pictures[walking:]}, "a picture of the old run beside the new one"
        assert not moment["strip"], "the old run's filmstrip beside the new one"
    heights = {m["height"] for m in running}
    assert max(heights) - min(heights) < 30, f"the page moved while the walk ran: {sorted(heights)}"
    assert abs(max(heights) - before["height"]) < 30, f"the page moved when Run was pressed: {before['height']}, {heights}"


def test_escape_mid_walk_keeps_the_steps_reached(browser_page, app_url):
    visit(browser_page, app_url, "guidance")
    expect(press_run(browser_page)).to_contain_text(re.compile(r"step \d+ of 29"))
    browser_page.keyboard.press("Escape")
    line = browser_page.get_by_text(re.compile(r"stopped after \d+ of 29 steps"))
    line.wait_for()
    wait(browser_page)
    reached = int(re.search(r"stopped after (\d+) of", line.inner_text())[1])
    assert 1 <= reached < 29
    expect(browser_page.locator(".film figcaption").first).to_contain_text(f"after step {reached} of 29")
    browser_page.wait_for_timeout(500)
    expect(line).to_contain_text(f"stopped after {reached} of 29")  # it does not go on behind the page
    run_to_the_end(browser_page)  # and Run starts anew
    expect(browser_page.get_by_text("live ·").first).to_be_visible()


def test_a_link_opens_the_same_widgets_and_a_reload_keeps_a_change(browser_page, app_url):
    link = {"guidance_prompt_digit": "5", "seed": "7", "guidance_clip_x0": "false", "guidance_guidance_scale": "3.5"}
    visit(browser_page, app_url, "guidance", **link)

    def check(seed: str) -> None:
        expect(browser_page.get_by_label("seed of the noise", exact=True)).to_have_value(seed)
        open_tab(browser_page, "Five pictures")
        expect(browser_page.get_by_role("slider", name="strength of guidance")).to_have_value("3.5")
        expect(browser_page.get_by_role("switch", name="keep the guess within range")).not_to_be_checked()
        expect(browser_page.get_by_role("radio", name="5", exact=True)).to_be_checked()

    check("7")
    expect(browser_page.get_by_text("changed since").first).to_be_visible()  # the kept picture is of other settings
    browser_page.get_by_label("seed of the noise", exact=True).fill("11")
    browser_page.get_by_label("seed of the noise", exact=True).press("Enter")
    browser_page.wait_for_url(re.compile(r"seed=11"))
    browser_page.reload()
    browser_page.get_by_text("My notes").wait_for()
    check("11")


def test_no_page_asks_the_internet_for_anything(browser_page, app_url):
    asked = []
    browser_page.on("request", lambda request: asked.append(request.url))
    for slug in ("forward", "inpainting", "unet"):  # plots, a canvas, our own drawing
        visit(browser_page, app_url, slug)
    assert any("/media/" in url for url in asked)
    assert not [url for url in asked if not url.startswith((app_url, app_url.replace("http", "ws", 1), "data:", "blob:"))]


@pytest.mark.parametrize("slug", ["sampling", "guidance"])
def test_a_phone_scrolls_only_down(browser_page, app_url, slug):
    browser_page.set_viewport_size({"width": 390, "height": 844})
    visit(browser_page, app_url, slug)
    wide = "() => [document.documentElement.scrollWidth, document.querySelector('[data-testid=stMain]').scrollWidth]"
    assert max(browser_page.evaluate(wide)) <= 390
    expect(press_run(browser_page)).to_contain_text(re.compile(r"step [1-9]"))
    assert max(browser_page.evaluate(wide)) <= 390
    browser_page.keyboard.press("Escape")
    wait(browser_page)


CONTRASTS = """() => {
  const channel = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const rgba = (s) => s.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const over = (top, below) => { const a = top[3] ?? 1; return [0, 1, 2].map((i) => a * top[i] + (1 - a) * below[i]); };
  const ground = (e) => {
    if (!e) return [255, 255, 255];
    const c = rgba(getComputedStyle(e).backgroundColor);
    const up = e.parentElement ?? e.getRootNode().host;
    return (c[3] ?? 1) === 1 ? c : over(c, ground(up));
  };
  const texts = [...document.querySelectorAll("[data-testid=stMain] :is(h1, h3, p, label p, figcaption)")];
  for (const host of document.querySelectorAll("[data-testid=stMain] *"))
    if (host.shadowRoot) texts.push(...host.shadowRoot.querySelectorAll("figcaption, button"));
  return texts.filter((e) => e.textContent.trim() && e.checkVisibility() && !e.closest("[disabled], [aria-disabled=true]"))
    .filter((e) => !e.closest("[data-testid=stSliderThumbValue]"))  // it hangs above the thumb, not on it
    .map((e) => {
      const below = ground(e), a = light(over(rgba(getComputedStyle(e).color), below)), b = light(below);
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.textContent.trim().slice(0, 60)];
    });
}"""


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("slug", ["sampling", "guidance"])
def test_words_are_readable_in_the_dark_and_in_the_light(browser_page, app_url, slug, scheme):
    browser_page.emulate_media(color_scheme=scheme)
    visit(browser_page, app_url, slug)
    ground = browser_page.evaluate("() => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 200) == (scheme == "dark"), ground
    found = browser_page.evaluate(CONTRASTS)
    assert len(found) > 20
    poor = [(round(c, 1), text) for c, text in found if c < 4.5]
    assert not poor, poor
