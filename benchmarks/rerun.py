"""What touching a widget costs after a walk of 300 steps: processor time and bytes to the browser, for pages 14 and 15.

    python -m benchmarks.rerun

The page runs in this process, with a film of 300 steps as its walk leaves it (test digits under noise, nothing computed), and
a widget is set again and again. Beside it, in the same run, the baseline "every frame, every time": what the filmstrip did
until it kept frames in the browser, encoding all frames of all channels as RGB and sending them at every run of the page.
Ratios hold from machine to machine; seconds do not.
"""

from __future__ import annotations

import base64
import io
import json
import statistics
import time
from dataclasses import dataclass

import numpy as np
from PIL import Image
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext
from streamlit.testing.v1 import AppTest

from lessons_lib.catalogue import lesson
from lessons_lib.files.film import CHANNELS, Film
from lessons_lib.files.test_digits import shown_digits
from lessons_lib.places import ROOT

STEPS = 300
RUNS = 5


@dataclass(frozen=True)
class Cost:
    """Of one run of a page, or of a part of it. seconds: of processor time. bytes: to the browser."""

    seconds: float
    bytes: int

    def __str__(self) -> str:
        return f"{self.seconds:6.3f} s   {self.bytes / 1e6:7.3f} MB"


def film_of(pictures: int, about: dict, steps: int = STEPS) -> Film:
    """A walk's film: (pictures, 1, 28, 28) digits that come out of noise in so many steps."""
    rng = np.random.default_rng(180)
    film = Film(about, steps)
    x0 = shown_digits().images[:pictures] / 127.5 - 1
    for i in range(steps):
        a = ((i + 1) / (steps + 1)) ** 2
        eps = rng.standard_normal(x0.shape)
        xt = a**0.5 * x0 + (1 - a) ** 0.5 * eps
        film.index.append(i)
        film.t.append(steps - 1 - i)
        film.t_prev.append(steps - 2 - i)
        film.xt.append(as_uint8(xt))
        film.x0_hat.append(as_uint8(x0 + 0.1 * (1 - a) * eps))
        film.eps.append(as_uint8(eps / 3))
        film.numbers.append(np.stack([xt[0], x0[0], eps[0], xt[0]]).astype(np.float32))
    film.final = as_uint8(x0)
    film.seconds = 1.0
    return film


def as_uint8(x: np.ndarray) -> np.ndarray:
    return ((x.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)


def every_frame_every_time(film: Film, columns: int, sample: int = 1) -> Cost:
    """The baseline: all frames of all channels as RGB PNGs in one JSON message. sample: every N-th frame, taken N times."""

    def encoded(frame: np.ndarray) -> str:
        b, _, h, w = frame.shape
        sheet = np.full((-(-b // columns) * (h + 1) - 1, columns * (w + 1) - 1, 3), 255, np.uint8)
        for i, picture in enumerate(frame):
            row, column = divmod(i, columns)
            sheet[row * (h + 1) : row * (h + 1) + h, column * (w + 1) : column * (w + 1) + w] = picture.transpose(1, 2, 0)
        buffer = io.BytesIO()
        Image.fromarray(sheet).save(buffer, "PNG")
        return base64.b64encode(buffer.getvalue()).decode()

    started = time.process_time()
    message = json.dumps({c: [encoded(frame) for frame in getattr(film, c)[::sample]] for c in CHANNELS})
    return Cost(sample * (time.process_time() - started), sample * len(message))


def run(at: AppTest, sent: list[int]) -> Cost:
    sent.clear()
    started = time.process_time()
    at.run()
    assert not at.exception, at.exception[0].value
    return Cost(time.process_time() - started, sum(sent))


def reruns(slug: str, key: str, film: Film, times: int = RUNS) -> list[Cost]:
    """The first run of a page that finds the film in its session, and then some with another widget touched each time."""
    sent: list[int] = []
    enqueue = ScriptRunContext.enqueue

    def counted(self, message) -> None:
        sent.append(message.ByteSize())
        enqueue(self, message)

    ScriptRunContext.enqueue = counted
    try:
        at = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=300)
        at.switch_page(lesson(slug).file).run()
        at.session_state[key] = film
        costs = [run(at, sent)]
        for k in range(times):
            at.slider(key=f"{slug}_scope_row").set_value(5 + k)
            costs.append(run(at, sent))
    finally:
        ScriptRunContext.enqueue = enqueue
    return costs


def films() -> dict[str, tuple[str, Film, int]]:
    """slug -> the key of the page's session state, the film of 300 steps that its walk would leave there, pictures in a row."""
    from lessons_lib.models.digits import last_epoch, three

    epoch = last_epoch("class_conditioned")
    same = {"num_inference_steps": STEPS, "variance_type": "fixed_large", "seed": 180}
    by_class = {"network": "class_conditioned", "epoch": epoch, "guidance_scale": 5.0, **same}
    epochs = list(three("time_conditioned"))
    return {
        "time": ("time_film_mnist", film_of(18, {"network": "time_conditioned", "epochs": epochs, **same}), 6),
        "class": (f"class_film_{epoch}_mnist", film_of(40, by_class), 10),
    }


def median(costs: list[Cost]) -> Cost:
    return Cost(statistics.median(c.seconds for c in costs), max(c.bytes for c in costs))


def main() -> None:
    for slug, (key, film, columns) in films().items():
        first, *rest = reruns(slug, key, film)
        before, now = every_frame_every_time(film, columns), median(rest)
        print(f"\n{lesson(slug).title}, {len(film)} steps of {len(film.final)} digits")
        print(f"  every frame, every time, that alone   {before}")
        print(f"  the whole page, the first time        {first}")
        print(f"  the whole page, a widget touched      {now}   (median of {len(rest)}, largest message)")
        print(f"  ratio to the baseline                 {now.seconds / before.seconds:6.3f}     {now.bytes / before.bytes:7.4f}")


if __name__ == "__main__":
    main()
