"""Short addresses for a class: a code of six letters in the place of a page's whole link. Kept beside trainings, for all replicas."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

from lessons_lib.files import lock
from lessons_lib.places import LINKS as PATH

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another
LENGTH, MOST, LONGEST = 6, 2000, 4000  # letters; links kept, the newest; characters of a link


def keep(page: str, query: str, path: Path = PATH) -> str:
    """Keep a link and return its code: the same link has the same code. Raises ValueError for one that is too long, and
    LessonsError where it cannot be written.

    Args: page: the lesson's slug. query: the link's query, URL-encoded.
    """
    if len(query) > LONGEST:
        raise ValueError(f"a link of {len(query)} characters is too long: at most {LONGEST}")
    number = int.from_bytes(hashlib.sha256(f"{page}?{query}".encode()).digest()[:8], "big")
    code = "".join(LETTERS[number // len(LETTERS) ** i % len(LETTERS)] for i in range(LENGTH))
    path.parent.mkdir(parents=True, exist_ok=True)
    with lock.holding(path.with_name("links.lock")):  # threads and replicas share the file
        links = _read(path)
        if links.get(code) != [page, query]:
            links.pop(code, None)
            links[code] = [page, query]
            newest = dict(list(links.items())[-MOST:])
            part = path.with_name(f".{path.name}.{os.getpid()}.part")
            part.write_text(json.dumps(newest), encoding="utf-8")
            part.replace(path)
    return code


def find(code: str, path: Path = PATH) -> tuple[str, str] | None:
    """(slug, query) of a code, in small or capital letters; None if there is none."""
    code = code.strip().lower()
    if not re.fullmatch(rf"[{LETTERS}]{{{LENGTH}}}", code):
        return None
    found = _read(path).get(code)
    return (found[0], found[1]) if found else None


def _read(path: Path) -> dict[str, list[str]]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # RecursionError: ten thousand brackets
        return {}
    whole = isinstance(read, dict) and all(
        isinstance(x, list) and len(x) == 2 and all(isinstance(s, str) for s in x) for x in read.values()
    )
    return read if whole else {}
