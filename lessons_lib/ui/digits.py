"""What Part B's pages share: the digit in view, networks by epoch, the loss curve, the kept picture while torch loads."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import streamlit as st

from lessons_lib.catalogue import lesson, written
from lessons_lib.errors import LessonsError
from lessons_lib.files import decoders
from lessons_lib.files.film import Film, opening_path
from lessons_lib.files.pictures import picture_of
from lessons_lib.files.test_digits import OF_EACH, shown_digits
from lessons_lib.files.typed import as_typed, sentence, visible
from lessons_lib.ui import controls, pictures, plots, save, stage, view

WORDS = {
    "one_step": "one-step denoiser",
    "time_conditioned": "time-conditioned network",
    "class_conditioned": "class-conditioned network",
    "flow_matching": "flow-matching network",
}
STARTER = {"time_conditioned": 0.027, "class_conditioned": 0.027, "time_flow": 0.09, "class_flow": 0.09, "flow_matching": 0.09}
"""Where the loss ends in the course's starter code, whose digits are in [0, 1]."""
ALL_DIGITS = tuple("0123456789")


def digit_in_view(page: str, default: int = 7) -> tuple[np.ndarray, str]:
    """Widgets for one digit: one of a hundred that no network was trained on, or the learner's own.

    Returns: (1, 1, 28, 28) uint8, 255 is ink; and what to call it.
    """
    source = controls.choice(page, "input", ["test digit", "your drawing"])
    if source == "your drawing":
        drawn = drawing(page)
        if drawn is not None:
            return drawn
        st.caption("Nothing is drawn yet, and a link does not carry a drawing: until then, the test digit.")
    label = int(controls.choice(page, "digit", ALL_DIGITS, default=str(default)))
    which = int(controls.slider(page, "example", 0, OF_EACH - 1, 0, 1, help="ten of every digit, from the test set"))
    return shown_digits().digit(label, which), f"test digit {label}, example {which}"


def drawing(page: str) -> tuple[np.ndarray, str] | None:
    """(1, 1, 28, 28) uint8, 255 is ink, of what the learner drew, and what to call it; None while nothing is drawn."""
    from lessons_lib.maths.images import to_uint8
    from lessons_lib.ui import originals

    drawn = originals.drawing(page, (1, 28, 28))
    return None if drawn is None else (to_uint8(drawn[0]).numpy(), drawn[1])


def columns(page: str) -> tuple:
    """Widgets left, pictures right; the left one is wide enough for the canvas while something is drawn on it."""
    wide = controls.peek(page, "input") == "your drawing"
    return stage.columns(wide=wide)


def kept(slug: str, columns: int = 8) -> st.delta_generator.DeltaGenerator:
    """A place for the page's pictures; while torch still has to be loaded, the kept ones stand in it."""
    place = st.empty()
    if "torch" not in sys.modules:
        film = Film.load(opening_path(slug, "mnist"))
        if film is not None:
            with place.container():
                st.caption(f"{pictures.provenance(film)}  \nThe live pictures are on their way ...")
                alt = pictures.describe(film.about)
                pictures.show(picture_of(film.final, columns), alt, wide=480, streaming=True)
    return place


def ships(network: str) -> bool:
    """True if the network's weights are there; otherwise one sentence and the way to the Train page."""
    from lessons_lib.models.digits import shipped_epochs

    if shipped_epochs(network):
        return True
    st.info(f"No weights of the {called(network)} ship with this copy: train the network yourself.", icon=":material/school:")
    if lesson("train") in written():
        st.page_link(lesson("train").file, label=lesson("train").title, icon=":material/arrow_forward:")
    return False


def network_in_view(page: str, shipped: str, kinds: Sequence[str] = ()) -> str:
    """A widget for whose network the lesson runs: the shipped one, one trained here, or one from a file. Returns its name.

    kinds: of models.digits.KINDS, those that the lesson can use; by default the shipped one's alone.
    """
    from lessons_lib.models import own
    from lessons_lib.training import runs

    kinds = tuple(kinds) or (shipped,)
    wanted = controls.peek(page, "weights")
    given: dict[str, str] = st.session_state.setdefault("own_networks", {})  # name -> the file's, of this session
    names = {SHIPPED: "the one that ships"}
    names |= {
        run: f"trained here: {own.TITLES[s.network]}, D = {s.num_hiddens} ({run})" for run, s in runs.finished(kinds).items()
    }
    for name in [*given, *([wanted] if wanted not in (None, *names, *given) else [])]:
        settings = own.settings_of(name) if is_given(name) else None
        if settings is not None and settings.network in kinds:
            names[name] = f"{given.get(name, 'a file')}: {own.TITLES[settings.network]}, D = {settings.num_hiddens}"
    if wanted not in (None, *names):
        st.caption(
            f":orange[The link asks for the network {as_typed(str(wanted)[:40])}, which does not open here:] the one that ships is in view."
        )
    with st.popover("Your own network", icon=":material/hub:"):
        st.file_uploader(
            "a state dict of the course's UNet",
            key=f"{page}_own",
            type=["safetensors", "pt", "pth"],
            max_upload_size=decoders.WEIGHTS_MB,
            on_change=_take_network,
            args=(page, kinds),
        )
        st.caption(
            "From `torch.save(unet.state_dict(), ...)` or safetensors; nothing in the file is run. Trainings of the page Train stand in the list."
        )
        chosen = controls.select(page, "weights", list(names), format_func=lambda name: names.get(name, name))
    for kind, said in st.session_state.get(f"{page}_own_said", []):
        {"error": st.error, "warning": st.warning, "caption": st.caption}[kind](said)
    if is_given(chosen):
        view.cannot_hold("your network")
    return shipped if chosen == SHIPPED else chosen


SHIPPED = "shipped"


def is_given(network: str) -> bool:
    """True for the name of a network that somebody gave as a file."""
    return re.fullmatch("n[0-9a-f]{12}", network or "") is not None


def _take_network(page: str, kinds: tuple[str, ...]) -> None:
    """Before the page runs: open what was uploaded, and put it in view."""
    from lessons_lib.models import own

    file, said = st.session_state[f"{page}_own"], []
    if file is not None:
        called = visible(file.name)[-80:]
        try:
            given = own.take(file.getvalue())
        except LessonsError as e:
            said.append(("error", sentence(f"{called}: {e}")))
        else:
            st.session_state.setdefault("own_networks", {})[given.name] = called
            about = f"{as_typed(called)}: {own.TITLES[given.settings.network]}, D = {given.settings.num_hiddens}"
            if given.by_order:
                about += "; its layers have names of their own, and were matched by kind, shape and order"
            said.append(("caption", f"{about}."))
            if given.error > 0.9:
                said.append(
                    (
                        "warning",
                        "On test digits it answers no better than the mean: was it trained, and are its blocks in the course's order?",
                    )
                )
            if given.settings.network in kinds:
                controls.take(page, "weights", given.name)
                view.touch()
            else:
                where = " or ".join(lesson(slug).title for slug, usable in USED_IN.items() if given.settings.network in usable)
                said.append(
                    (
                        "error",
                        f"It is no {' or '.join(own.TITLES[k] for k in kinds)}, which this lesson runs; it opens in {where}.",
                    )
                )
    st.session_state[f"{page}_own_said"] = said


USED_IN = {
    "one_step": ("one_step",),
    "out_of_its_depth": ("one_step",),
    "time": ("time_conditioned",),
    "class": ("class_conditioned",),
    "flow": ("flow_matching", "class_flow"),
    "unet": ("one_step", "pure_noise", "time_conditioned", "class_conditioned", "time_flow", "class_flow", "flow_matching"),
}
"""Which kinds of network a lesson can run."""


def called(network: str) -> str:
    """A network in people's words, by its name."""
    if network in WORDS:
        return WORDS[network]
    return f"network of run {network}" if not is_given(network) else "network that you gave"


def which_epochs(network: str) -> str:
    """One sentence: which networks these are, from their own files."""
    from lessons_lib.models import own
    from lessons_lib.models.digits import data_of, is_own, last_epoch, network_at, shipped_epochs

    _, settings = network_at(network, last_epoch(network))
    epochs = shipped_epochs(network)
    if is_own(network):
        what = f"{own.TITLES[settings.network]}, D = {settings.num_hiddens}"
        if is_given(network):
            return f"**your network** {as_typed(st.session_state.get('own_networks', {}).get(network, ''))}: {what}"
        data = as_typed(data_of(network))
        learned = f", trained on {data}" if data else ""
        of_digits = "; the judge knows digits alone" if "own pictures" in data else ""
        after = f"weights after epochs {', '.join(map(str, epochs))} of {settings.epochs}"
        return f"**trained here**, run {network}: {what}{learned}; {after}{of_digits}"
    trained = "all 60,000 digits" if settings.num_digits is None else f"{settings.num_digits:,} digits"
    times = f"after epoch {epochs[0]}" if len(epochs) == 1 else f"after epochs {', '.join(map(str, epochs))}"
    return (
        f"{WORDS[network]}, D = {settings.num_hiddens}, trained on {trained}; weights ship {times} "
        f"of the {settings.epochs} of its training"
    )


def loss_curve(network: str, key: str, epoch: int | None = None) -> None:
    """The shipped training's loss on a log axis, a moment of it marked."""
    from lessons_lib.files.curves import thinned
    from lessons_lib.models.digits import describe, losses, restarts, step_of

    steps, values = losses(network)
    if not steps:
        why = "came with no loss curve" if is_given(network) else "has no loss curve in this copy"
        st.caption(f"The {called(network)} {why}.")
        return
    xs, ys = thinned(steps, values)
    marked = {} if epoch is None else {"mark": step_of(network, epoch), "mark_label": describe(epoch)}
    plots.line_plot({"training loss": (xs, ys)}, "step", "mean squared error", key, log_y=True, **marked)
    width = -(-len(steps) // 300)
    each = "every step" if width == 1 else f"each point the mean of {width} steps"
    whose = "shipped training" if network in WORDS else f"training {network}"
    text = f"Loss of the {whose}, {len(steps):,} steps, {each}; it ends at {np.mean(values[-50:]):.4f}."
    if again := [step for step in restarts(network) if step < len(steps)]:
        after = " and ".join(f"{step:,}" for step in again)
        text += f" It rises for a moment after step {after}: it went on another day, Adam's memory of past gradients empty."
    if network in STARTER:
        text += (
            f" Digits are in [-1, 1] here. Starter code that keeps them in [0, 1] has another loss for an equally good network: it ends "
            f"near {STARTER[network]:g}."
        )
    save.note("text", text)
    st.caption(text)


def two_halves(batch: np.ndarray) -> str:
    """What the second half of a batch of digits differs from the first by, and the sharpness of both against real digits'."""

    from lessons_lib.maths import metrics
    from lessons_lib.maths.images import from_uint8

    a, b, real = (from_uint8(x) for x in (*np.split(batch, 2), shown_digits().images))
    off = metrics.mse(a, b).sqrt().mean().item()
    first, second, digits = (metrics.sharpness(x).mean().item() for x in (a, b, real))
    text = (
        f"RMS difference between the rows: {off:.3f}. Sharpness (mean gradient): {first:.2f} told the truth, {second:.2f} lied to; "
        f"real digits have {digits:.2f}, and noise that was left raises it."
    )
    save.note("text", text)
    return text


FIVE = 5  # digits to a picture and its caption


def read(film: Film) -> list[int]:
    """What the judge reads in each digit of a film that is over."""
    from lessons_lib.lessons._digits import readings

    return film.once("read", lambda: readings(film.final_tensor())[0].tolist())


def right(film: Film, asked: Sequence[int]) -> int:
    """How many of a film's digits the judge reads as what was asked for."""
    return sum(a == b for a, b in zip(read(film), asked, strict=True))


def asked_captions(asked: Sequence[int]) -> list[str]:
    """What stands under each five digits while they stream: what was asked for."""
    return [" ".join(f"{a}\u00a0" for a in five) for five in fives(asked)]


def read_captions(film: Film, asked: Sequence[int]) -> list[str]:
    """What stands under each five digits at the end, as markdown: what the judge reads, and whether it is what was asked for."""
    said = [f"*{got}\u2713*" if got == a else f":orange[**{got}\u2717**]" for got, a in zip(read(film), asked, strict=True)]
    return [" ".join(five) for five in fives(said)]


def fives(things: Sequence) -> list[Sequence]:
    return [things[i : i + FIVE] for i in range(0, len(things), FIVE)]


@st.cache_data(max_entries=32, show_spinner=False)
def read_right(epoch: int, opening: str) -> dict | None:
    """The share of an epoch's kept digits that the judge reads right, as a row of a table; None if none are kept."""

    from lessons_lib.lessons._digits import readings
    from lessons_lib.models.digits import describe

    film = Film.load(opening_path(opening, "mnist"))
    if film is None:
        return None
    right = sum(r == i % 10 for i, r in enumerate(readings(film.final_tensor())[0].tolist()))
    keys = ("guidance_scale", "num_inference_steps", "seed")
    return {"network": describe(epoch), "read right": f"{right} of {len(film.final)}", **{k: film.about[k] for k in keys}}


def table(rows: list[dict]) -> None:
    """A table of measured figures, on the page and in the saved lesson."""
    st.table([{k: f"{v:g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows], hide_index=True)
    head = list(rows[0])
    for row in rows:
        save.note("text", "; ".join(f"{k}: {row[k]}" for k in head))


@st.cache_data(max_entries=32, show_spinner="cleaning ten digits ...")
def ten_cleaned(epoch: int, sigma: float, seed: int, network: str = "one_step") -> tuple[np.ndarray, np.ndarray]:
    """One of each test digit noised, and what the one-step denoiser made of them at that moment: two (10, 1, 28, 28) uint8."""
    from lessons_lib.lessons import one_step
    from lessons_lib.maths.images import from_unit, to_uint8
    from lessons_lib.models.digits import denoise_once, network_at

    z = one_step.noised(one_step.to_unit(shown_digits().images[1::OF_EACH]), sigma, seed)
    return tuple(to_uint8(from_unit(v)).numpy() for v in (z, denoise_once(network_at(network, epoch)[0], z)))


@st.cache_data(max_entries=32, show_spinner="measuring on twenty digits ...")
def one_step_errors(sigma: float, seed: int, num_digits: int = 20, network: str = "one_step") -> list[dict]:
    """MSE, PSNR and sharpness of the noisy digits and of the one-step denoiser's answers through its training."""
    from lessons_lib.lessons import one_step
    from lessons_lib.maths import metrics
    from lessons_lib.models import digits as networks
    from lessons_lib.models.digits import denoise_once

    x = one_step.to_unit(shown_digits().images[:: OF_EACH * 10 // num_digits])
    z = one_step.noised(x, sigma, seed)
    rows = {"noisy input": z}
    for epoch in networks.epochs_of(network):
        rows[f"network {networks.describe(epoch)}"] = denoise_once(networks.network_at(network, epoch)[0], z)
    rows["original"] = x
    made = []
    for name, y in rows.items():
        e = one_step.error(y, x)
        made.append(
            {
                "picture": name,
                "MSE": f"{e.mse:.4f}",
                "PSNR (dB)": f"{e.psnr:.1f}" if e.mse else "exact",
                "sharpness": f"{metrics.sharpness(y).mean():.3f}",
            }
        )
    return made


@st.cache_data(max_entries=16, show_spinner="cleaning this digit at every sigma ...")
def at_every_sigma(x_uint8: np.ndarray, epoch: int, seed: int, network: str) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """What does not change while sigma is moved: the course's strip of one digit (1, 1, 28, 28), noisy and cleaned, uint8; and the
    error of the answers at every sigma of out_of_its_depth.CURVE."""
    from lessons_lib.lessons import one_step
    from lessons_lib.lessons import out_of_its_depth as depth
    from lessons_lib.maths.images import from_unit, to_uint8
    from lessons_lib.models.digits import network_at

    unet, x = network_at(network, epoch)[0], one_step.to_unit(x_uint8)
    noisy, cleaned = (to_uint8(from_unit(z)).numpy() for z in depth.strip(unet, x, one_step.SIGMAS, seed))
    return noisy, cleaned, [p.cleaned.mse for p in depth.error_against_sigma(unet, x, depth.CURVE, seed)]


@st.cache_resource(max_entries=16, show_spinner="asking the network about pure noise ...")
def answers_to_nothing(seed: int, network: str = "one_step"):
    """one_step.blind(), once a seed and network."""
    from lessons_lib.lessons.out_of_its_depth import blind

    return blind(seed=seed, network=network)


def epoch_in_view(page: str, network: str, help: str) -> int:
    """A widget for how long the network was trained; none where only one moment of it is known. Each network has its own."""
    from lessons_lib.models.digits import describe, epochs_of, last_epoch

    epochs = epochs_of(network)
    if len(epochs) < 2:
        return epochs[0]
    name = "epoch" if network in WORDS else f"epoch_{network}"
    how = {"argument": "epoch", "format_func": describe, "help": help}
    return controls.select_slider(page, name, epochs, last_epoch(network), **how)


def measured(slug: str, network: str, rows_of: Callable, draw: Callable[[list[dict], str], None], *, minutes: str) -> None:
    """plots.measured(): what is kept of the network that ships, and a measurement to be taken of any other."""
    if network not in WORDS:
        slug, rows_of = f"{slug}_{network}", partial(rows_of, network=network)
    plots.measured(slug, "mnist", rows_of, draw, minutes=minutes)


@st.cache_resource(max_entries=32, show_spinner="walking backwards and forwards ...")
def there_and_back(digit: int, which: int, steps: int, looks: int, back_as: int) -> dict:
    """solvers.there_and_back() of a test digit, once for each setting."""
    import torch

    from lessons_lib.lessons import solvers
    from lessons_lib.maths.images import from_uint8

    x0 = from_uint8(torch.from_numpy(shown_digits().digit(digit, which)))
    return solvers.there_and_back(x0, digit, steps, looks, back_as)


@st.cache_data(max_entries=64, show_spinner="cutting skip connections ...")
def skip_damage(network: str, time: float) -> list[dict]:
    """inside.damage() as a table's rows."""
    from lessons_lib.lessons.unet import damage

    return [
        {"skips": r["skips"], "loss": f"{r['loss']:.4f}", "PSNR (dB)": f"{r['PSNR (dB)']:.1f}"}
        for r in damage(network, time=time)
    ]
