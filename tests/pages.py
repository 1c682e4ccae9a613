"""Open a page as Streamlit does: from the entry script, so that links between pages resolve."""

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
