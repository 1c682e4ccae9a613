"""axe-core on every page, light and dark: no violation of the app's own, at rest and after Run."""

import pytest

pytest.importorskip("playwright", reason="browser tests need playwright: pip install playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")

from lessons_lib.catalogue import HOME, written  # noqa: E402
from tests.browsing import run_to_the_end, visit, wait  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PATIENCE = 240_000  # ms: a small machine has other things to do

STREAMLITS_OWN = (  # (rule, what its element holds): nothing of it can be mended from here
    ("scrollable-region-focusable", "<pre"),  # st.code
    ("presentation-role-conflict", "stFileUploader"),
    ("color-contrast", 'class="token'),  # the colours of st.code's words
)


def violations(page) -> list[str]:
    """The app's own, a line each: rule, element, and what axe says of it."""
    found = []
    for v in axe.Axe().run(page).response["violations"]:
        for node in v["nodes"]:
            if not any(v["id"] == rule and part in node["html"] for rule, part in STREAMLITS_OWN):
                said = node["any"][0]["message"] if node["any"] else v["help"]
                found.append(f"{v['id']}: {node['html'][:120]} ({said[:160]})")
    return found


@pytest.fixture
def patient_page(browser_page):
    browser_page.context.set_default_timeout(PATIENCE)
    return browser_page


def in_both_schemes(page) -> list[str]:
    """What light and dark violate of the page as it stands."""
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(500)
        found += [f"{scheme}: {line}" for line in violations(page)]
    return found


@pytest.mark.parametrize("lesson", [HOME, *written()], ids=lambda x: x.slug)
def test_no_violation_of_the_apps_own(patient_page, app_url, lesson):
    if lesson.part:
        visit(patient_page, app_url, lesson.slug)
    else:
        patient_page.goto(app_url)
        patient_page.get_by_text("For the class").wait_for()
    wait(patient_page)
    assert not in_both_schemes(patient_page)


@pytest.mark.parametrize("slug", ["guidance", "class"])
def test_none_after_a_run(patient_page, app_url, slug):
    visit(patient_page, app_url, slug)
    run_to_the_end(patient_page)
    assert not in_both_schemes(patient_page)


def test_headings_go_down_one_by_one(patient_page, app_url):
    visit(patient_page, app_url, "forward")
    levels = patient_page.evaluate("() => [...document.querySelectorAll('h1, h2, h3, h4')].map(e => Number(e.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False))
