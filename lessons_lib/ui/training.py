"""A training run on the page: its curve, its speed, its samples, and the buttons that steer it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import streamlit as st
from PIL import Image

from lessons_lib.catalogue import lesson
from lessons_lib.errors import LessonsError
from lessons_lib.files import decoders
from lessons_lib.files.pictures import from_data_url, open_picture, to_data_url
from lessons_lib.files.typed import as_typed, sentence
from lessons_lib.training import own_pictures, runs
from lessons_lib.training.own_pictures import Pictures
from lessons_lib.training.runs import ENDED, State
from lessons_lib.ui import pictures, save, view
from lessons_lib.ui.digits import USED_IN
from lessons_lib.ui.plots import line_plot

WORDS = {
    "queued": ":blue[waiting]",
    "running": ":green[training]",
    "paused": ":orange[paused]",
    "finished": ":green[finished]",
    "failed": ":red[failed]",
    "cancelled": ":gray[stopped]",
    "interrupted": ":orange[interrupted]",
}


def duration(seconds: float) -> str:
    """A time for people: "40 s", "3 min 20 s", "2 h 05 min"."""
    s = round(seconds)
    if s < 60:
        return f"{s} s"
    return f"{s // 60} min {s % 60:02d} s" if s < 3600 else f"{s // 3600} h {s % 3600 // 60:02d} min"


@contextmanager
def one_sentence() -> Iterator[None]:
    """A LessonsError inside becomes one sentence in its place; the rest of the page still stands."""
    try:
        yield
    except LessonsError as e:
        st.error(sentence(str(e)), icon=":material/error:")


def own_pictures_in_view(page: str, *, folder: bool) -> Pictures | None:
    """Widgets for a zip or a folder of pictures to train on, and what became of them. None while there are none."""
    key = f"{page}_pictures_{'folder' if folder else 'zip'}"
    kept = f"{key}_kept"
    given = st.file_uploader(
        "a folder of pictures" if folder else "a zip of pictures",
        key=key,
        type=list(decoders.ENDINGS) if folder else ["zip"],
        accept_multiple_files="directory" if folder else False,
        max_upload_size=decoders.WEIGHTS_MB,
        help="a folder in it for each label, at most ten: 0/a.png, 0/b.png, 1/c.png ...",
        on_change=lambda: st.session_state.pop(kept, None),
    )
    if given and kept not in st.session_state:
        with st.spinner("opening the pictures ..."):
            try:
                found = (
                    own_pictures.of((f.name, f.getvalue()) for f in given) if folder else own_pictures.from_zip(given.getvalue())
                )
            except LessonsError as e:
                found = str(e)
        st.session_state[kept] = found
    found = st.session_state.get(kept)
    if not isinstance(found, Pictures):
        if found:
            st.error(sentence(found), icon=":material/error:")
        else:
            st.info("Choose your pictures first: a link, or a server started anew, holds none.", icon=":material/image_search:")
        return None
    view.cannot_hold("your pictures")
    told = as_typed(f"{len(found.digits):,} pictures; {'; '.join(found.changes)}.")
    pictures.in_a_row(
        found.digits.images[:8].numpy(), [str(k) for k in found.digits.labels[:8].tolist()], "your pictures", wide=48
    )
    st.caption(told)
    save.note("text", told)
    return found


def show_run(run: str, key: str = "") -> None:
    """Steer and watch a run; while it lives, drawn anew every second without the rest of the page.

    key: the secret that its starter's browser has. Raises LessonsError if there is no such run, or it cannot be read.
    """
    said, buttons = st.container(), st.container(horizontal=True)  # always there, so that nothing below moves or shows twice
    if trouble := st.session_state.pop("run_trouble", ""):
        said.error(trouble, icon=":material/error:")
    state = runs.watch(run)
    if runs.may_steer(run, key):
        with buttons:
            _buttons(run, state.status, key)
        if key and state.step:
            save.did("trained", f"trained here: {_about(state)}, {state.step} steps")
    else:
        buttons.caption("Started in another browser, which alone can pause or stop it; its link can be given on there.")
    if run in runs.finished([state.settings.network]):
        with st.container(horizontal=True):
            for slug, usable in USED_IN.items():
                if state.settings.network in usable:
                    query = {"weights": run}
                    st.page_link(lesson(slug).file, label=f"See it in {lesson(slug).title}", query_params=query)

    @st.fragment(run_every=None if state.status in ENDED else 1.0)
    def live() -> None:
        trouble = runs.tend()
        with one_sentence():
            now = runs.watch(run)
            _draw(now)
            if trouble and now.status in ("queued", "interrupted"):
                st.warning(f"{trouble} It goes on by itself when that is done.", icon=":material/warning:")
            if now.status != state.status and (now.status in ENDED or "paused" in (now.status, state.status)):
                st.rerun()  # other buttons belong above now

    live()


def _buttons(run: str, status: str, key: str) -> None:
    """What can be done with a run in this state. No key of the keyboard does any of it."""

    def button(label: str, icon: str, action: Callable[[str], None]) -> None:
        name = f"run_{label.split()[0].lower()}"
        st.button(label, key=name, icon=f":material/{icon}:", on_click=_press, args=(action, run, key))

    if status == "failed":
        button("Try again", "refresh", runs.resume)
    elif status == "cancelled":
        button("Take it up again", "play_arrow", runs.take_up)
    elif status == "paused":
        button("Resume", "play_arrow", runs.resume)
    elif status != "finished":
        button("Pause", "pause", runs.pause)
    if status not in ENDED:
        button("Stop", "stop", runs.cancel)
    if key:
        with st.popover("Link that steers it", icon=":material/key:"):
            st.caption("Whoever has this link can pause, stop and take up this training; the page's own link only shows it.")
            st.code(f"{view.url('train')}&key={key}", language=None, wrap_lines=True)


def _press(action: Callable[[str], None], run: str, key: str) -> None:
    try:
        if runs.may_steer(run, key):
            action(run)
    except LessonsError as e:  # the page is drawn after this, and says it then
        st.session_state["run_trouble"] = str(e)


def _draw(state: State) -> None:
    s = state.settings
    st.markdown(f"{WORDS[state.status]} · {as_typed(_about(state))}")
    if state.status == "queued":
        place = "next in the queue" if state.place == 1 else f"place {state.place} in the queue"
        about = "" if state.waits is None else f", in about {duration(state.waits)}"
        before = "the run that trains now is" if state.place == 1 else "those before it are"
        st.caption(f"{place}: it begins when {before} done{about}")
    if state.status == "failed":
        st.error(sentence(state.said), icon=":material/error:")
    elif state.said:
        st.caption(sentence(state.said))
    if state.total_steps:
        text = f"step {state.step} of {state.total_steps} · epoch {state.epoch} of {s.epochs}"
        if state.status == "running" and state.images_per_second:
            text += f" · {state.images_per_second:.0f} images/s · {duration(state.seconds_left)} left"
        st.progress(min(state.step / state.total_steps, 1.0), text)
    steps, losses = state.losses
    if losses:
        line_plot({"loss": (steps, losses)}, "step", "loss (mean squared error)", "train_loss", log_y=True, height=260)
    samples = []
    for step, path in state.samples:
        with suppress(LessonsError):  # a picture that was cut short
            samples.append((step, _grid(path)))
    _samples(samples[-1:], s.network)
    if len(samples) > 1:
        with st.expander("Earlier samples, oldest first"):
            _samples(samples[:-1], s.network)


def _about(state: State) -> str:
    s = state.settings
    about = f"{s.network.replace('_', '-')}, D = {s.num_hiddens}, batch_size {s.batch_size}, lr {s.lr:g}, seed {s.seed}"
    return about + (f" · {state.data}" if state.data else "")


@lru_cache(maxsize=256)
def _grid(path: Path) -> str:
    return to_data_url(open_picture(path))


def _samples(samples: list[tuple[int, str]], network: str) -> None:
    for step, url in samples:
        alt = f"what the {network.replace('_', '-')} network makes after {step} steps, from fixed seeds"
        save.note("picture", url, caption=f"after {step} steps", alt=alt, width=560)
        st.image(url, caption=f"after {step} steps, always from the same noise", alt=alt, width=560)


def show_kept(kept: dict) -> None:
    """What the page opens with: a real run of the laptop preset, kept with its day."""
    line = f"**kept from an earlier run ({kept['made']})** · {kept['about']} · {duration(kept['seconds'])}"
    save.note("text", line)
    st.markdown(line)
    line_plot(
        {"loss": (kept["steps"], kept["losses"])}, "step", "loss (mean squared error)", "train_kept", log_y=True, height=190
    )
    samples = kept["samples"]
    three = [samples[i] for i in sorted({0, len(samples) // 2, len(samples) - 1})]  # as many as one screen holds
    pictures = [(s["step"], from_data_url(s["picture"])) for s in three]
    _samples([(step, to_data_url(p)) for step, p in pictures], kept["network"])


def keep(run: str, moments: int = 5) -> dict:
    """A finished run as what show_kept() draws: its curve and a few moments. (python -m lessons_lib.ui.training RUN)"""
    import json
    import time

    from lessons_lib.files.film import OPENINGS

    state = runs.watch(run)
    s, n = state.settings, len(state.samples)
    pick = sorted({round(i * (n - 1) / (moments - 1)) for i in range(moments)})
    speed = state.images_per_second
    kept = {
        "made": time.strftime("%Y-%m-%d"),
        "network": s.network,
        "about": f"{s.network.replace('_', '-')}, D = {s.num_hiddens}, {s.epochs} epochs, {state.data}, seed {s.seed}, {speed:.0f} images/s",
        "seconds": round(state.step * s.batch_size / speed),
        "steps": state.losses[0],
        "losses": [round(x, 5) for x in state.losses[1]],
        "samples": [{"step": state.samples[i][0], "picture": to_data_url(Image.open(state.samples[i][1]))} for i in pick],
    }
    (OPENINGS / "train.json").write_text(json.dumps(kept))
    return kept


if __name__ == "__main__":
    import sys

    keep(sys.argv[1])
