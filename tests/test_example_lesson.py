"""docs/example_lesson is a lesson: three files and a record, in a copy of the project, pass their tests and those of all pages."""

import re
import shutil
import subprocess
import sys

import pytest

from lessons_lib.places import ROOT

EXAMPLE = ROOT / "docs" / "example_lesson"


@pytest.mark.slow
def test_the_example_lesson_is_three_files_and_a_record(tmp_path):
    for folder in ("lessons_lib", "pages", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("Home.py", "pyproject.toml"):
        shutil.copy(ROOT / file, tmp_path / file)
    shutil.copytree(ROOT / "cache", tmp_path / "cache", ignore=shutil.ignore_patterns("runs", "data"))
    shutil.copytree(ROOT / ".streamlit", tmp_path / ".streamlit")

    said = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    files = re.findall(r"\| `(\S+)` \| `(\S+)` \|", said)
    assert len(files) == 3
    for here, there in files:
        shutil.copy(EXAMPLE / here, tmp_path / there)
    record = re.search(r"```python\n(.*?)\n```", said, re.DOTALL)[1]
    catalogue = tmp_path / "lessons_lib" / "catalogue.py"
    text = catalogue.read_text(encoding="utf-8")
    catalogue.write_text(text.replace("\nLESSONS = (\n", f"\nLESSONS = (\n    {record},\n"), encoding="utf-8")

    def run(*command: str) -> None:
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]

    run("-m", "lessons_lib.lessons.keep", "average")
    assert (tmp_path / "cache" / "openings" / "card-average.png").exists()
    run("-m", "pytest", "-q", "tests/test_lesson_average.py", "tests/test_pages.py", "-k", "average or list_of_lessons or card")
