"""Write requirements.lock: the exact versions that the tests ran with, of requirements.txt and all that it needs.

    python docs/lock.py        # in the environment that passed `.ci/run`

`pip install -r requirements.lock` then gives what was tested; requirements.txt says what may be newer or older.
"""

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def asked(text: str) -> list[Requirement]:
    """The requirements in a file's text."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line]


def closure(wanted: list[Requirement]) -> dict[str, str]:
    """{name: version} of what is installed here for these requirements, and of all that they need on any system.

    What torch brings on Linux alone, for a GPU, is left out: it pins that itself.
    """
    found: dict[str, str] = {}
    while wanted:
        one = wanted.pop()
        name = re.sub(r"[-_.]+", "-", one.name).lower()
        if name in found:
            continue
        try:
            that = distribution(one.name)
        except PackageNotFoundError:  # only on another system
            continue
        found[name] = that.version.partition("+")[0]  # a build's mark, such as +cpu, is no version on PyPI
        for text in that.requires or ():
            needed = Requirement(text)
            marker = needed.marker
            if marker is None or (
                "platform" not in str(marker) and any(marker.evaluate({"extra": e}) for e in ("", *one.extras))
            ):
                wanted.append(needed)
    return found


def main() -> None:
    pins = closure(asked((ROOT / "requirements.txt").read_text(encoding="utf-8")))
    head = "# What the tests ran with; written by docs/lock.py. Ranges, and why each floor stands: requirements.txt.\n"
    text = head + "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))
    (ROOT / "requirements.lock").write_text(text, encoding="utf-8")
    print(f"{len(pins)} packages")


if __name__ == "__main__":
    main()
