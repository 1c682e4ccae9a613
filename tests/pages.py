"""Open a page as Streamlit does: from the entry script, so that links between pages resolve."""

import re
from urllib.parse import parse_qsl

from streamlit.testing.v1 import AppTest

from lessons_lib.catalogue import lesson
from lessons_lib.places import ROOT


def opened(slug: str, **link: str) -> AppTest:
    """The lesson's page after its first run, the link's parameters given."""
    at = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=120)
    for key, value in link.items():
        at.query_params[key] = value
    if slug != "home":
        at.switch_page(lesson(slug).file)
    return at.run()


def captions(at: AppTest) -> list[str]:
    """The captions of all pictures, each as one line."""
    return [one.caption.replace("  \n", " ") for image in at.image for one in image.proto.imgs]


def press(at: AppTest, label: str) -> AppTest:
    """Press the first button of that label and run the page to its end."""
    next(b for b in at.button if b.label == label).click()
    return at.run()


def address(at: AppTest) -> dict[str, str]:
    """What the address bar says: the query that the page told the browser last."""
    return at.session_state["_view"].told[1]


WIDGETS = (
    "slider",
    "select_slider",
    "selectbox",
    "segmented_control",
    "radio",
    "toggle",
    "checkbox",
    "text_input",
    "text_area",
    "number_input",
)


def widgets(at: AppTest) -> dict:
    """Every widget on the page that holds a value, by its key; on the plane the controls that its component draws, too."""
    view = at.session_state["_view"]
    drawn = {key: view.values[key] for key in view.live if key.startswith("plane_")}
    return drawn | {w.key: w.value for kind in WIDGETS for w in at.get(kind)}


def things_to_try(at: AppTest, slug: str) -> list[tuple[str, dict[str, str]]]:
    """(sentence, query) of the page's own links that run something."""
    links = [link.proto for link in at.get("page_link")]
    found = [
        (p.label, dict(parse_qsl(p.query_string))) for p in links if "go=" in p.query_string and "go=0-" not in p.query_string
    ]
    stem = re.sub(r"\.py$", "", lesson(slug).file.rsplit("/", 1)[-1])
    assert all(p.page.endswith(stem) for p in links if "go=" in p.query_string)
    return found


def follow(at: AppTest, query: dict[str, str]) -> AppTest:
    """Press a link to the page in view: the browser sends the link's query with its next run."""
    at.query_params.clear()
    for key, value in query.items():
        at.query_params[key] = value
    return at.run()
