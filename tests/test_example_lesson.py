"""docs/example_lesson is a lesson: three files and three records, in a copy of the project, pass their tests and those of all lessons."""

import re
import shutil
import subprocess
import sys

import pytest

from lessons_lib.places import ROOT

EXAMPLE = ROOT / "docs" / "example_lesson"
LAST = 'Lesson(\n        "hand_in",'  # of Part B, and the lesson's place is before it
PLACES = {  # file -> what a record is written before
    "lessons_lib/catalogue.py": LAST,
    "lessons_lib/questions.py": '"what": (',
    "lessons_lib/lessons/claims.py": 'Claim(\n        "what",',
}
TESTS = "average or list_of_lessons or card or claims_something or every_lesson or plan_in_docs or in_order or checklist or whole"


@pytest.mark.slow
def test_the_example_lesson_is_three_files_and_three_records(tmp_path):
    for folder in ("lessons_lib", "pages", "tests", "docs", ".streamlit"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("Home.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, tmp_path / file)
    shutil.copytree(ROOT / "cache", tmp_path / "cache", ignore=shutil.ignore_patterns("runs", "data"))

    said = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    files = re.findall(r"\| `(\S+)` \| `(\S+)` \|", said)
    assert len(files) == 3
    for here, there in files:
        shutil.copy(EXAMPLE / here, tmp_path / there)
    records = re.findall(r"of `(\S+)`[^`]*```python\n(.*?)\n```", said, re.DOTALL)
    assert [file for file, _ in records] == list(PLACES)
    for file, record in records:
        text = (tmp_path / file).read_text(encoding="utf-8")
        assert text.count(PLACES[file]) == 1
        (tmp_path / file).write_text(text.replace(PLACES[file], f"{record},\n    {PLACES[file]}"), encoding="utf-8")

    def run(*command: str) -> None:
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]

    run("-m", "lessons_lib.lessons.keep", "average")
    run("docs/files.py")
    run("docs/plan.py")
    assert (tmp_path / "cache" / "openings" / "card-average.png").exists()
    held = ("lesson_average", "pages", "claims", "questions", "plan", "hand_in", "readme")
    run("-m", "pytest", "-q", *(f"tests/test_{name}.py" for name in held), "-k", TESTS)
