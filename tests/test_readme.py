"""README tells the house as it stands."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_list_of_files_is_whole():
    spec = importlib.util.spec_from_file_location("files", ROOT / "docs" / "files.py")
    files = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(files)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme == files.written(readme), "run python docs/files.py"
    assert "samplers.py" in files.listing()
