"""A learner's work: kept in their own browser, and handed in.

Every lesson leaves here what it shows as soon as the learner did something on it; the last showing counts. Opening a page is
nothing. The server asks the browser once a session what it keeps, so that a reload, a closed tab and a new link lose nothing:
notes, marks, work, and the keys to trainings. From then on the browser writes down what changes. It is kept on the learner's
machine alone. Without JavaScript, or in a private window, a session keeps its work for as long as it lives.

The hand-in is one HTML file on the course's checklist, and a ZIP that holds it all, and takes it back on another machine.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
import time
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import streamlit as st

from lessons_lib.catalogue import LESSONS, PARTS, YEARS, lesson
from lessons_lib.errors import LessonsError
from lessons_lib.files import decoders
from lessons_lib.files.pictures import with_text
from lessons_lib.models import used
from lessons_lib.ui import save, stamp, view
from lessons_lib.ui.components import component

DELIVERABLES = {year: {x.slug: x.wanted_in(year) for x in LESSONS if x.wanted_in(year)} for year in YEARS}
"""year -> lesson -> what the course wants of it in that year."""


MAX_BYTES = 40_000_000  # of a ZIP that is taken back


@dataclass(frozen=True)
class Record:
    """One lesson's work.

    model: the chosen model's name, "" where the lesson has no choice. made: day and hour. works: what the learner did.
    weights: {file below cache/: SHA-256} of the networks that were really asked.
    """

    slug: str
    model: str
    made: str
    link: str
    notes: str
    noted: tuple[save.Noted, ...]
    works: tuple[save.Work, ...] = ()
    weights: dict[str, str] = field(default_factory=dict)

    @property
    def pictures(self) -> list[save.Noted]:
        return [n for n in self.noted if n.kind == "picture"]

    @property
    def settings(self) -> list[str]:
        """The lines (markdown) that tell what made the pictures: prompt, seed, steps, time."""
        return [w.said.split("  \n")[0] for w in self.works]


def records() -> dict[str, Record]:
    """This session's work, a record a lesson."""
    return st.session_state.setdefault("hand_in_records", {})


LESSONS_OWN = ("code", "caption", "plot")  # everybody's, and in the lesson


def collect(slug: str, model: str, files: Iterable[Path]) -> None:
    """Called at a lesson's end: keep what it shows if the learner did something on it. files: the weights that were asked."""
    works = tuple(save.works())
    if not asked_in(slug) or not works:
        return
    noted = tuple(n for n in save.noted() if n.kind not in LESSONS_OWN)
    notes = st.session_state.get(f"{slug}_notes", "")
    made = time.strftime("%Y-%m-%d %H:%M")
    record = Record(slug, model, made, view.url(slug), notes, noted, works, used.hashes(files))
    before = records().get(slug)
    if before is None or replace(before, made=made) != record:
        records()[slug] = record


def asked_in(slug: str) -> list[int]:
    """The years in which the course wants something of a lesson."""
    return [year for year, wanted in DELIVERABLES.items() if slug in wanted]


def chosen(year: int) -> list[Record]:
    """What that year wants and is ticked on the page, each with the notes as they stand now."""
    ticked = [r for slug, r in records().items() if slug in DELIVERABLES[year] and st.session_state.get(f"hand_in_{slug}", True)]
    return [replace(r, notes=st.session_state.get(f"{r.slug}_notes") or r.notes) for r in ticked]


def hashes(chosen: list[Record]) -> dict[str, str]:
    """{file below cache/: SHA-256} of all weights that the records were computed with."""
    return {name: digest for r in chosen for name, digest in r.weights.items()}


def as_html(author: str, chosen: list[Record], year: int = YEARS[0]) -> str:
    """The hand-in as one document that opens offline: the year's checklist, each lesson's work, the networks' hashes."""
    done = {r.slug: r for r in chosen}
    parts = [f"<p>{html.escape(author)}</p>" if author.strip() else "", f"<h2>Checklist, {year}</h2>"]
    for part, title in PARTS.items():
        parts.append(f"<h3>{html.escape(title)}</h3><ul>")
        for slug, wanted in DELIVERABLES[year].items():
            if lesson(slug).part == part:
                what = (
                    f'<a href="#{slug}">{html.escape(lesson(slug).title)}</a>'
                    if slug in done
                    else html.escape(lesson(slug).title)
                )
                mark = "&#10003; handed in" if slug in done else "&#9675; not handed in"
                parts.append(f"<li>{mark}: {what} ({html.escape('; '.join(wanted))})</li>")
        parts.append("</ul>")
    for slug in DELIVERABLES[year]:
        if slug in done:
            r = done[slug]
            model = f" Model: {html.escape(r.model)}." if r.model else ""
            parts.append(
                f'<h2 id="{slug}">{html.escape(lesson(slug).title)}</h2><p>Made on {html.escape(r.made)}.{model} '
                f'<a href="{html.escape(r.link, quote=True)}">Open this view</a>.</p>'
            )
            parts.append(save.body(r.notes, list(r.noted)))
    parts.append(save.networks(hashes(chosen)))
    return save.document("Hand in: Diffusion, Step by Step", "".join(parts))


def as_zip(author: str, chosen: list[Record], year: int = YEARS[0]) -> bytes:
    """index.html, every picture as PNG named by lesson, and hand_in.json with year, captions, settings, seeds and hashes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("index.html", as_html(author, chosen, year))
        about = {"author": author, "year": year, "hashes": hashes(chosen), "records": []}
        for r in chosen:
            about["records"].append(asdict(r) | {"settings": r.settings})
            for i, picture in enumerate(r.pictures, 1):
                name = re.sub(r"[^a-z0-9]+", "-", picture.caption.lower()).strip("-")[:40]
                kind, _, data = picture.content.partition(";base64,")
                if data:
                    ending = kind.rsplit("/", 1)[-1].split("+")[0]
                    said = {**picture.about, "caption": picture.caption, "lesson": r.slug, "model_name": r.model, "link": r.link}
                    said |= {
                        "Software": stamp.SOFTWARE,
                        "saved": r.made,
                        "weights_sha256": json.dumps(r.weights),
                    }
                    path = f"pictures/{r.slug}-{i:02d}{'-' + name if name else ''}.{ending}"
                    z.writestr(path, with_text(base64.b64decode(data), said))
        z.writestr("hand_in.json", json.dumps(about, indent=1))
    return buffer.getvalue()


def from_zip(data: bytes) -> tuple[str, list[Record]]:
    """(author, records) of an earlier as_zip(). Raises LessonsError for anything else."""
    said = "This is no hand-in of these lessons: choose a ZIP that was saved on this page."
    members = decoders.unzip(data, ["hand_in.json"], said=said, most=MAX_BYTES)
    about = decoders.json_of(members.get("hand_in.json", b""), said)
    try:
        return str(about["author"]), [_record(r) for r in about["records"]]
    except (KeyError, ValueError, TypeError, AttributeError) as e:
        raise LessonsError(said) from e


PICTURE = re.compile(r"data:image/(png|jpeg|gif|svg\+xml);base64,[A-Za-z0-9+/=]*")
KINDS = {"heading", "text", "picture", "equation", "code"}


def take_back(r: dict) -> None:
    """Take one record that the browser kept; anything else is nothing."""
    with suppress(KeyError, ValueError, TypeError, AttributeError):
        record = _record(r)
        records().setdefault(record.slug, record)


def _record(r: dict) -> Record:
    """A record as hand_in.json and the browser hold it. Raises KeyError, ValueError or TypeError for what is none."""
    noted = tuple(save.Noted(**n) for n in r["noted"])
    for n in noted:
        words = (n.kind, n.content, n.caption, n.alt, *n.about, *n.about.values())
        if not all(isinstance(f, str) for f in words) or type(n.width) is not int:
            raise ValueError("a note is not made of words")
        if n.kind not in KINDS or n.kind == "picture" and not PICTURE.fullmatch(n.content):
            raise ValueError(f"a {n.kind} is not one")
    works = tuple(save.Work(str(w["kind"]), str(w["said"])) for w in r.get("works", ()))  # records of before have none
    weights = {str(name): str(digest) for name, digest in r.get("weights", {}).items()}
    words = {k: str(r[k]) for k in ("slug", "model", "made", "link", "notes")}
    record = Record(**words, noted=noted, works=works, weights=weights)
    if not asked_in(record.slug) or not record.link.startswith(("http://", "https://")) and record.link:
        raise ValueError("no such lesson")
    return record


# --- the browser keeps it -----------------------------------------------------------------------------------------------

_KEEPER = component("keeper")
SMALL, ALL = "small", "all"  # what the browser is asked for: all but records, or all


@dataclass
class Kept:
    """What this session knows of its browser.

    read: what it was asked for so far. done: slug -> day, of lessons whose records may still lie in the browser. keys: training
    run -> the secret that steers it, newest last. rooms: a class's code -> the teacher's key, or what tells this browser from others
    there. taken: records that came from a file and are to be written down. forget: how
    often everything was to be forgotten. failed: why the browser keeps nothing.
    """

    read: str = ""
    done: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    rooms: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    forget: int = 0
    failed: str = ""


def kept() -> Kept:
    """This session's."""
    return st.session_state.setdefault("_kept", Kept())


def done() -> set[str]:
    """The lessons with work of the learner's, in this session or kept in the browser."""
    return set(kept().done) | set(records())


def forget() -> None:
    """Forget all work, here and in the browser: for the next one who sits at this machine. A button's callback."""
    k = kept()
    st.session_state["_kept"] = Kept(read=ALL, forget=k.forget + 1)
    records().clear()
    for key in [k for k in st.session_state if str(k).endswith("_notes")]:
        st.session_state[key] = ""


def keep(slug: str) -> None:
    """At a page's end: mount what talks to the browser."""
    k, ask = kept(), ALL if slug == "hand_in" else SMALL
    put: dict[str, Any] = {}
    if k.read:  # not before: an empty session must not overwrite what is there
        if (notes := f"{slug}_notes") in st.session_state:
            put[f"notes/{slug}"] = st.session_state[notes]
        for made in {slug, *k.taken} & set(records()):
            record = records()[made]
            put[f"record/{made}"], put[f"done/{made}"] = asdict(record), record.made
        put |= {f"run/{run}": key for run, key in k.keys.items()} | {f"room/{code}": key for code, key in k.rooms.items()}
    asked = "" if k.read in (ALL, ask) else ask
    with st.container(key="keeper"):
        _KEEPER(key="browser", data={"put": put, "ask": asked, "forget": k.forget}, on_found_change=_found)


def _found() -> None:
    """The browser says what it keeps. What this session made meanwhile stays."""
    found = st.session_state["browser"].found or {}
    k = kept()
    k.read, k.failed = (found.get("asked", SMALL), str(found.get("failed", "")))
    for name, value in dict(found.get("entries", {})).items():
        kind, _, rest = name.partition("/")
        if kind == "notes" and isinstance(value, str) and not st.session_state.get(f"{rest}_notes"):
            st.session_state[f"{rest}_notes"] = value[: save.MAX_NOTES]
        elif kind == "done" and isinstance(value, str):
            k.done[rest] = value
        elif kind == "run" and isinstance(value, str):
            k.keys = {rest: value, **k.keys}
        elif kind == "room" and isinstance(value, str):
            k.rooms = {rest: value, **k.rooms}
        elif kind == "record" and rest not in records():
            take_back(value)
