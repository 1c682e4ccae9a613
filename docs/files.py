"""Write README's list of files anew: every module of the library with the first clause of its docstring.

python docs/files.py
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
ROOMS = {
    "lessons_lib": "what all rooms need",
    "lessons_lib/maths": "the maths: torch only, no network",
    "lessons_lib/files": "what is read from disk, written to it, or comes from outside",
    "lessons_lib/models": "the networks: what answers, in which precision, for how many at once",
    "lessons_lib/training": "what trains them, and runs in their own process",
    "lessons_lib/checking": "a student's code against every right way and every classic mistake",
    "lessons_lib/lessons": "one file a lesson: settings, walk, what the page opens with, measures, card",
    "lessons_lib/cluster": "Ray under the app, where DIFFUSION_CLUSTER asks for it (docs/ray.md)",
    "lessons_lib/ui": "streamlit only",
    "lessons_lib/ui/lessons": "what one lesson alone has on its page, a file a lesson",
}
BEFORE = {
    "Home.py": "the contents page: the map of the lessons",
    "pages/": "one lesson a file: words, widgets, one call, the picture",
}
AFTER = {
    "lessons_lib/ui/components/": "what runs in the browser: JavaScript, CSS and HTML as files",
    "cache/": "shipped weights, judges, opening pictures (tracked); runs and downloads (ignored)",
    "benchmarks/": "ratios against a named baseline, each in one run",
    "tests/": "pytest; test_browser_* drive Chromium",
    "deploy/": "the app for hundreds: image, Compose, HAProxy, and local.py for one machine",
    "docs/": "pictures of this page; the example lesson; what writes this list and requirements.lock",
}
WIDE = 118


def clause(path: Path) -> str:
    """The first clause of a module's docstring, no longer than a line."""
    said = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n\n")[0]
    said = re.split(r"[.;](?:\s|$)", " ".join(said.split()))[0].replace("`", "")
    for cut in (r",\s(?=[^,]*$)", r":\s"):
        while len(said) > WIDE and re.search(cut, said):
            said = said[: list(re.finditer(cut, said))[-1].start()]
    return said


def listing() -> str:
    """The list, as it stands in README between its heading and the next paragraph."""
    rows = list(BEFORE.items())
    for room, about in ROOMS.items():
        rows.append((f"{room}/", about))
        rows += [(f"  {p.name}", clause(p)) for p in sorted((ROOT / room).glob("*.py")) if p.name != "__init__.py"]
    rows += AFTER.items()
    return "".join(f"    {name:<30}{about}\n" for name, about in rows)


def written(readme: str) -> str:
    """README with the list as it is now."""
    before, heading, rest = readme.partition("\n## Files\n\n")
    after = re.sub(r"\A(    .*\n)+", "", rest)
    return f"{before}{heading}{listing()}{after}"


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
