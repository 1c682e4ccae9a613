"""What runs in the browser: each part is a .html, a .css and a .js file of one name, and component() makes it a Python function."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)


@cache
def read(name: str) -> str:
    """A file of this folder as text; "" if there is none."""
    path = HERE / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


def script(name: str) -> str:
    """NAME.js with what it imports from its neighbours (`import { a } from "./other.js";`) put in: a component has one script."""
    *others, _ = order = _in_order(name, [])
    bare = {other: _IMPORT.sub("", read(f"{other}.js")) for other in order}
    return "".join(re.sub(r"^export ", "", bare[other], flags=re.MULTILINE) for other in others) + bare[name]


def _in_order(name: str, before: list[str]) -> list[str]:
    """The scripts that NAME.js needs, each once and before those that import it, and itself last."""
    for other in _IMPORT.findall(read(f"{name}.js")):
        if other not in before:
            _in_order(other, before)
    before.append(name)
    return before


def component(name: str):
    """Register NAME.html, NAME.css and NAME.js with Streamlit, once, when a module is imported. Returns what mounts it."""
    return st.components.v2.component(name, html=read(f"{name}.html") or None, css=read(f"{name}.css") or None, js=script(name))
