"""requirements.lock and requirements.txt say the same."""

import re
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def lines_of(name: str) -> list[str]:
    return [x for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if (x := line.partition("#")[0].strip())]


def test_every_requirement_is_locked_at_a_version_that_its_range_holds():
    pins = dict(line.split("==") for line in lines_of("requirements.lock"))
    for text in lines_of("requirements.txt"):
        wanted = Requirement(text)
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        assert name in pins, f"{name} is not in requirements.lock: run python docs/lock.py"
        assert wanted.specifier.contains(pins[name]), f"{text}, but requirements.lock has {pins[name]}"
