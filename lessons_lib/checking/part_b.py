"""Verdicts on Part B: the UNets, and the training and sampling of DDPM and of flow matching on digits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from torch import Tensor

from lessons_lib.checking import check_my_code as script
from lessons_lib.checking import mistakes
from lessons_lib.checking.judging import (
    GROWS,
    NONE_FITS,
    UNIFORM,
    UNIT,
    Fit,
    Guess,
    Verdict,
    all_finite,
    apart,
    find,
    fit_of,
    of_uniform,
    precision,
    right_ways,
    rms,
    told_by_weights,
    why,
)
from lessons_lib.checking.mistakes import Pieces
from lessons_lib.checking.traces import BROKEN, Moment, Trace
from lessons_lib.errors import LessonsError
from lessons_lib.maths.schedule import CLEAN, Schedule
from lessons_lib.models.unet import UNet

T = script.DIGITS_T
POSTERIOR = "Its noise is that of the posterior: a valid choice; the course takes sqrt(beta_t) z."
CLIPPED = "x0_hat is clipped to [-1, 1]: not in the course's formula, and allowed."
PAPER = "It counts t from 1 to T, as the paper does."
SCALED = "It takes the digits from [0, 1] to [-1, 1]: fine, as long as sampling does the way back."
STOPS_AT_ONE = "It stops at t = 1: a little noise (0.01) stays in the picture; range(T - 1, -1, -1) goes on to 0."
NEVER_ZERO = "t = 0 is never drawn: harmless, one of T."
NO_BIAS = "Its convolutions have no bias, which BatchNorm makes up for: fine, though the count is another."
NO_EVAL = "It does not call unet.eval() itself: whoever calls it must, or BatchNorm measures the batch in view."
MOSTLY_DROPPED = (
    "**most digits go without their class**. p_uncond of them do, one in ten: mask = (torch.rand(n) > p_uncond).float()."
)


@cache
def schedule() -> Schedule:
    return Schedule(torch.from_numpy(script.linear()))


@cache
def digits() -> Tensor:
    """(4, 784) float64 in [0, 1]: the digits handed out, whole."""
    return torch.from_numpy(script.inputs()["digits"]).double().flatten(1)


# ---- networks, table, noise -------------------------------------------------------------------------------------------


@cache
def _expected(name: str) -> dict[str, tuple[int, ...]]:
    """The course's network: {parameter: shape}."""
    with torch.device("meta"):
        unet = {
            "unconditional_unet": lambda: UNet(128),
            "time_unet": lambda: UNet(64, time_conditioned=True),
            "class_unet": lambda: UNet(64, time_conditioned=True, num_classes=10),
        }[name]()
    return {k: tuple(p.shape) for k, p in unet.named_parameters()}


NETWORKS = ("unconditional_unet", "time_unet", "class_unet")
DIVIDES = "The unet is told t itself: right, since yours divides by T."
PERHAPS = "Unless your UNet divides by T itself: let the script see it."


def divides_time(runs: dict[str, dict]) -> bool | None:
    """Whether a UNet of the student's divides the time that it is told by T: asked at 0.5. None if there is none to ask."""
    seen = [run.get("time") for name, run in runs.items() if name in NETWORKS]
    seen = [v for v in seen if isinstance(v, float)]
    return None if not seen else any(abs(v * T / 0.5 - 1) < 0.01 for v in seen)


def network(name: str, told: dict) -> Verdict:
    """By the shapes of its parameters and of its answer."""
    try:
        theirs = Counter(tuple(int(n) for n in shape) for shape in told["parameters"])
        answer = list(told["shape"])
    except (KeyError, TypeError, ValueError) as e:
        raise LessonsError(BROKEN) from e
    expected = _expected(name)
    right, count = Counter(expected.values()), sum(math.prod(s) * n for s, n in theirs.items())
    if answer != [4, 1, 28, 28]:
        return Verdict(
            name, "wrong", f"For (4, 1, 28, 28) it answers {tuple(answer)}, and it should answer the same shape.", ("shape",)
        )
    if theirs == right:
        return Verdict(name, "right", f"{count:,} parameters, all of the course's shapes.")
    missing, extra = right - theirs, theirs - right
    biases = Counter(s for k, s in expected.items() if k.endswith(".0.bias") and len(s) == 1)
    if not extra and not missing - biases:
        return Verdict(name, "right", f"{count:,} parameters. {NO_BIAS}")
    said = f"{count:,} parameters; the course's has {sum(math.prod(s) for s in expected.values()):,}."
    if missing:
        where = dict.fromkeys(k.split(".")[0] for s in missing for k, v in expected.items() if v == s)
        said += f" Missing: {_shapes(missing)} (as in {', '.join(list(where)[:4])})."
    if extra:
        said += f" Not in the course's: {_shapes(extra)}."
    return Verdict(name, "wrong", said, ("network",))


def _shapes(found: Counter, most: int = 4) -> str:
    told = [f"{n} of {'x'.join(map(str, s)) or 'one number'}" for s, n in sorted(found.items(), key=lambda x: -math.prod(x[0]))]
    return ", ".join(told[:most]) + (f" and {len(told) - most} other shapes" if len(told) > most else "")


def ddpm_schedule(name: str, trace: Trace) -> Verdict:
    """One of its tables must be alpha_bar; one entry more in front, for the clean image, is allowed."""
    abar = schedule().alphas_cumprod.numpy()
    tables = [v.astype(np.float64) for k, v in trace.arrays.items() if k.startswith("table")]

    def holds(values: np.ndarray) -> bool:
        return any(len(v) in (T, T + 1) and np.abs(v[-T:] - values).max() < 1e-4 for v in tables)

    betas = np.linspace(1e-4, 0.02, T)
    if holds(abar):
        return Verdict(name, "right", f"alpha_bar falls from {abar[0]:.4f} to {abar[-1]:.4f}.")
    if holds(np.cumprod(betas)):
        return Verdict(
            name, "wrong", "**cumprod of the betas**. alpha_bar is the running product of alpha = 1 - beta.", ("schedule",)
        )
    if holds(1 - np.cumsum(betas)):
        return Verdict(name, "wrong", "**a sum where a product belongs**. alpha_bar is cumprod(1 - beta).", ("schedule",))
    if holds(betas) or holds(1 - betas):
        return Verdict(name, "wrong", "**alpha_bar is missing**. It is cumprod(1 - beta), the running product.", ("schedule",))
    said = f"None of its tables is alpha_bar: cumprod(1 - beta) with {T} betas from 0.0001 to 0.02, both ends included."
    return Verdict(name, "wrong", said, ("schedule",))


def noise_digits(name: str, trace: Trace) -> Verdict:
    """x + sigma z, of digits in [0, 1]."""
    x = torch.from_numpy(script.thin(torch.from_numpy(script.inputs()["digits"])[:1])).double().reshape(-1)
    if trace.out is None or trace.out.shape != (1, len(x)):
        return Verdict(name, "wrong", "It returned pictures of another shape.")
    sigma, out = script.SIGMA, trace.out[0]
    allowed = 4 * UNIT[trace.dtype] * 2 + 2e-5
    for z in (of_uniform(trace.before) if trace.uniform else trace.before) or (torch.zeros_like(x),):
        ways = {
            "": x + sigma * z,
            "clamped_input": (x + sigma * z).clamp(0, 1),
            "variance_for_std": x + sigma**2 * z,
            "weights": math.sqrt(1 - sigma**2) * x + sigma * z,
            "mixed": (1 - sigma) * x + sigma * z,
        }
        for found, made in ways.items():
            if apart(made, out) > allowed:
                continue
            if trace.uniform:
                return Verdict(name, "wrong", UNIFORM, ("uniform", *([found] if found else [])))
            if found in ("weights", "mixed"):
                said = "**the picture made darker**. Here it is z = x + sigma eps, without a weight before x."
                return Verdict(name, "wrong", said, (found,))
            if found:
                return Verdict(name, "wrong", why([found]), (found,))
            return Verdict(name, "right", f"Agrees at sigma = {sigma:g}. {precision(trace.dtype)}".strip())
    if not trace.before:
        said = "No noise of the picture's shape was drawn, a number of its own for every pixel: torch.randn_like(x) does that."
        return Verdict(name, "wrong", f"{why(['no_noise_added'])} {said}", ("no_noise_added",))
    return Verdict(name, "wrong", NONE_FITS)


# ---- training ---------------------------------------------------------------------------------------------------------

INDEX_OF: dict[Callable, Callable[[float], float]] = {
    mistakes.time_of: lambda told: told * T,
    mistakes.raw_t: lambda told: told,
    mistakes.t_over_the_last: lambda told: told * (T - 1),
}
"""What the network was told -> the t that was meant, for each way to write time_of."""


@dataclass(frozen=True)
class Batch:
    """Which of the noises drawn is meant, where the count of t begins, and whether the digits were taken to [-1, 1]."""

    noise: int
    offset: int
    scaled: bool


def _rows(trace: Trace) -> tuple[Tensor, Tensor, list[Tensor]] | None:
    """(x, answer, [noise]) of one training batch, a digit a row; None if it did not ask the network about the whole batch once."""
    n = len(digits())
    x, answer, z = (trace.arrays.get(k) for k in ("x", "answer", "z"))
    if x is None or x.shape != (n, 1, 28, 28) or answer.shape != x.shape:
        return None
    flat = [torch.from_numpy(np.ascontiguousarray(v, np.float64)).flatten(1) for v in (x, answer)]
    if z is None or z.shape[1:] != x.shape[1:]:
        return flat[0], flat[1], []
    noise = torch.from_numpy(z.astype(np.float64)).flatten(1)
    begins = [i for i, row in enumerate(trace.about["z_row"]) if row == 0]
    ends = [*begins[1:], len(noise)]
    return flat[0], flat[1], [noise[i:j] for i, j in zip(begins, ends, strict=True) if j - i == n]


def ddpm_forward(name: str, trace: Trace) -> Verdict:
    """x_t of the noise drawn, the time told, and the loss."""
    rows = _rows(trace)
    if rows is None:
        return Verdict(name, "wrong", "It does not ask the unet about the batch of digits, once.", ("never_asked",))
    x, answer, drawn = rows
    if not drawn:
        return Verdict(name, "wrong", "It draws no noise with torch.randn_like or torch.randn.", ("no_noise_added",))
    told = trace.about["t"]

    def fit(guess: Guess) -> Fit:
        p, c = guess.pieces, guess.context
        errors = []
        for row, t_told in enumerate(told):
            t = INDEX_OF[p.time_of](t_told) + c.offset
            if abs(t - round(t)) > 2e-3 or not 0 <= round(t) < T - 1:
                return Fit(guess, math.inf, math.inf)
            x0 = digits()[row] * 2 - 1 if c.scaled else digits()[row]
            made = p.noisy_input(p.forward(schedule(), x0, p.at(round(t)), drawn[c.noise][row]))
            errors.append(apart(made, x[row]))
        return fit_of(guess, errors, [4 * UNIT[trace.dtype] + 2e-5] * len(errors))

    times = [(mistakes.time_of, "")] + [(mistakes.raw_t, DIVIDES)] * bool(trace.about.get("divides"))
    rights = [
        Guess(
            replace(Pieces(), time_of=time_of),
            tuple(w for w, said in ((PAPER, offset), (SCALED, scaled), (word, word)) if said),
            context=Batch(noise, offset, scaled),
        )
        for noise in range(len(drawn))
        for offset in (0, -1)
        for scaled in (False, True)
        for time_of, word in times
    ]
    found = find(rights, ("forward", "noisy_input", "time_of", "at"), fit)
    if trace.uniform and found.worst <= 1 and apart(drawn[found.guess.context.noise].mean(), torch.tensor(0.5)) < 0.1:
        return Verdict(name, "wrong", UNIFORM, ("uniform",))
    if found.worst > 1:
        return Verdict(name, "wrong", NONE_FITS)
    c = found.guess.context
    x0 = digits() * 2 - 1 if c.scaled else digits()
    words = [] if c.offset or not any(low == 1 for low, _ in trace.about["randint"]) else [NEVER_ZERO]
    return _trained(name, trace, found, answer, (x0, drawn[c.noise]), "target", words)


def fm_forward(name: str, trace: Trace) -> Verdict:
    """x_t on the road from the noise drawn to the digit, the time told, and the loss."""
    rows = _rows(trace)
    if rows is None:
        return Verdict(name, "wrong", "It does not ask the unet about the batch of digits, once.", ("never_asked",))
    x, answer, drawn = rows
    if not drawn:
        return Verdict(name, "wrong", "It draws no noise with torch.randn_like or torch.randn.", ("no_noise_added",))
    scale = {mistakes.time_of: 1.0, mistakes.raw_t: script.FLOW_STEPS, mistakes.t_over_the_last: 1.0}

    def fit(guess: Guess) -> Fit:
        p, c = guess.pieces, guess.context
        x_1 = digits() * 2 - 1 if c.scaled else digits()
        times = [t / scale[p.time_of] for t in trace.about["t"]]
        made = [p.noisy_input(p.flow_point(drawn[c.noise][i], x_1[i], t)) for i, t in enumerate(times)]
        return fit_of(guess, [apart(m, x[i]) for i, m in enumerate(made)], [4 * UNIT[trace.dtype] + 2e-5] * len(made))

    rights = [
        Guess(Pieces(), (SCALED,) * scaled, context=Batch(noise, 0, scaled))
        for noise in range(len(drawn))
        for scaled in (False, True)
    ]
    found = find(rights, ("flow_point", "noisy_input", "time_of"), fit, without=("t_over_last",))
    if found.worst > 1:
        return Verdict(name, "wrong", NONE_FITS)
    if trace.uniform and drawn[found.guess.context.noise].min() >= 0:
        return Verdict(name, "wrong", UNIFORM, ("uniform",))
    c = found.guess.context
    return _trained(name, trace, found, answer, (drawn[c.noise], digits() * 2 - 1 if c.scaled else digits()), "flow_target", [])


def _trained(
    name: str, trace: Trace, found: Fit, answer: Tensor, ends: tuple[Tensor, Tensor], piece: str, words: list[str]
) -> Verdict:
    """The verdict on a training step: what was found of its input, and what its loss compares the answer with."""
    loss = float(trace.about.get("loss", math.nan))

    def fit(guess: Guess) -> Fit:
        right = (answer - getattr(guess.pieces, piece)(*ends)).square().mean().item()
        return fit_of(guess, [abs(right - loss)], [(1e-3 + 4 * UNIT[trace.dtype]) * right + 1e-6])

    of_loss = find([Guess(Pieces())], (piece,), fit)
    if of_loss.worst > 1:
        said, what = _of_another_loss(trace, answer, getattr(mistakes, piece), ends, loss)
        return Verdict(name, "wrong", " ".join([why(found.guess.mistakes), said]).strip(), (*found.guess.mistakes, what))
    names = (*found.guess.mistakes, *of_loss.guess.mistakes)
    told = trace.about["who"]
    if trace.about.get("has_class") and 4 * told.count(10) >= 3 * len(told):
        return Verdict(name, "wrong", " ".join([why(names), MOSTLY_DROPPED]).strip(), (*names, "mostly_dropped"))
    if names:
        return Verdict(name, "wrong", f"{why(names)} {_perhaps(names, trace)}".strip(), names)
    said = ["x_t, the time told and the loss agree.", *found.guess.words, *words, precision(trace.dtype)]
    return Verdict(name, "right", " ".join(s for s in said if s))


def _of_another_loss(trace: Trace, answer: Tensor, target: Callable, ends: tuple[Tensor, Tensor], loss: float) -> tuple[str, str]:
    """(a sentence, a mistake's name) for a loss that is none of the mean squares."""
    off = answer - target(*ends)
    sums = {
        "summed": off.square().sum(),
        "summed over each digit": off.square().sum() / len(off),
        "halved": off.square().mean() / 2,
    }
    drawn, place = _rows(trace)[2], 0 if target is mistakes.flow_target else 1
    others = [target(*(z if i == place else end for i, end in enumerate(ends))) for z in drawn]
    if abs(off.abs().mean().item() - loss) <= 2e-3 * loss:
        return "**the mean absolute difference**. The loss is the mean squared one: torch.nn.functional.mse_loss.", "loss"
    if abs(off.square().mean().sqrt().item() - loss) <= 2e-3 * loss:
        return "**a root over the loss**. It is the mean squared difference itself.", "loss"
    if any(abs((answer - o).square().mean().item() - loss) <= 2e-3 * loss for o in others):
        return (
            "**noise drawn anew for the loss**. It must be the noise that is in x_t: draw it once, and keep it.",
            "another_noise",
        )
    found = next((word for word, value in sums.items() if abs(value.item() - loss) <= 2e-3 * loss), None)
    if found:
        return f"**the squared difference {found}**. The loss is its mean over all pixels: torch.nn.functional.mse_loss.", "loss"
    said = f"The loss is {loss:.4g}: it is not the mean squared difference between the unet's answer and what it is to say."
    return said, "loss"


def _perhaps(names: Sequence[str], trace: Trace) -> str:
    """What makes t itself right: said where the student's network was not seen."""
    return PERHAPS if "raw_t" in names and trace.about.get("divides") is None else ""


# ---- sampling ---------------------------------------------------------------------------------------------------------


def ddpm_sample(name: str, trace: Trace) -> Verdict:
    return _ddpm_walk(name, trace, ())


def ddpm_cfg_sample(name: str, trace: Trace) -> Verdict:
    return _ddpm_walk(name, trace, ("guide",))


RIGHT = {
    "clip": [(mistakes.no_clip, ""), (mistakes.clip, CLIPPED)],
    "spread": [(mistakes.large_spread, ""), (mistakes.small_spread, POSTERIOR)],
}


NOT_HERE = ("no_clip", "log_variance", "variance_at_t_prev")  # allowed, or of Part A's learned variance


def _ddpm_walk(name: str, trace: Trace, more: Sequence[str]) -> Verdict:
    refused = _refused(name, trace, more)
    if refused and refused.mistakes != ("not_finite",):
        return refused
    wrong, words, times = _ddpm_times([m.t for m in trace.moments], bool(trace.about.get("divides")))
    if times is None:
        return Verdict(name, "wrong", " ".join(wrong), ("timesteps",))
    wrong, named = [why(wrong)] if wrong else [], list(wrong)
    wrong, named = _mode(trace, wrong, named, words)
    wrong += _start(trace)
    nexts = [*(m.x for m in trace.moments[1:]), trace.out[0]]
    earlier = [trace.before, *(m.noises for m in trace.moments[:-1])]
    moves = list(zip(trace.moments, earlier, times, [*times[1:], times[-1] - 1], nexts, strict=True))
    if refused:
        finite = [m for m in moves if all_finite(m[0].x) and all_finite(m[-1])]
        return replace(refused, said=f"{refused.said} {_where(finite, _rights(), trace)}".strip())
    n = len(moves)
    few = [moves[i] for i in dict.fromkeys((n // 2, n - 1, 0, n // 4, 3 * n // 4, n - 3, n - 2))]
    first_z = next(iter(trace.before[-1:]), None)

    def fit(guess: Guess) -> Fit:
        errors, allowed = [], []
        for m, before, t, t_prev, x_next in few:
            made = _ddpm_move(guess, m, before, t, t_prev, first_z)
            shown = [made, made.clamp(-1, 1), made.clamp(0, 1), (made + 1) / 2, ((made + 1) / 2).clamp(0, 1)]
            errors.append(min(apart(s, x_next) for s in (shown if x_next is nexts[-1] else shown[:1])))
            allowed.append(_allowed(m, t, x_next, trace.dtype))
            if errors[-1] > 100 * allowed[-1]:
                return Fit(guess, errors[-1] / allowed[-1], math.inf)
        return fit_of(guess, errors, allowed)

    found = find(_rights(), ("at", "one_step", "clip", "towards", "spread", "fresh_noise", *more), fit, without=NOT_HERE)
    if found.worst > 1:
        return Verdict(name, "wrong", " ".join([*wrong, NONE_FITS, _where(moves, _rights(), trace)]).strip(), tuple(named))
    wrong += [why(found.guess.mistakes)] if found.guess.mistakes else []
    named = (*named, *found.guess.mistakes)
    return _sampled(name, trace, wrong, named, [f"Agrees in all {n} moves.", *words, *found.guess.words])


def _rights() -> list[Guess]:
    """The right moves, each with every one of the noises that may be meant."""
    return [replace(g, context=place) for place in (0, 1, 2, -1, -2, -3) for g in right_ways(RIGHT)]


def _where(moves: list[tuple], rights: list[Guess], trace: Trace) -> str:
    """The first move that differs from the right one, or of all the one that differs most, and its weights."""

    def differs(move: tuple) -> bool:
        m, before, t, t_prev, x_next = move
        made = (_ddpm_move(g, m, before, t, t_prev, None) for g in rights)
        return not any(apart(x, x_next) <= _allowed(m, t, x_next, trace.dtype) for x in made)

    place = next((i for i, move in enumerate(moves) if differs(move)), None)
    if place is None:
        return ""
    told, _, t, t_prev = max((_weights(*move) for move in (moves[place:][:1] if place else moves)), key=lambda w: w[1])
    agree = f"The first {place} moves agree. " if place else ""
    to = "the clean image" if t_prev < 0 else t_prev
    return f"{agree}From t = {t} to {to} its weights are: {told}." if told else agree.strip()


def _weights(m: Moment, before: tuple[Tensor, ...], t: int, t_prev: int, x_next: Tensor) -> tuple[str, float, int, int]:
    """(the weights of a move, how far off they are, t, t_prev)."""
    a, a_prev = schedule().alpha_bar(t), schedule().alpha_bar(max(t_prev, CLEAN))
    alpha, beta = a / a_prev, 1 - a / a_prev
    z = next(iter([*m.noises, *before[-1:]]), None)
    parts = {"x_t": m.x, "eps": _guided(Pieces(), m), **({} if z is None else {"z": z})}
    right = {"x_t": alpha**-0.5, "eps": -beta / math.sqrt(alpha * (1 - a)), "z": math.sqrt(beta) if t_prev >= 0 else 0.0}
    return *told_by_weights(x_next, parts, right), t, t_prev


def _ddpm_times(told: list[float], divides: bool) -> tuple[list[str], list[str], list[int] | None]:
    """(what is wrong: a mistake's name, or a sentence; what else to say; the t of each move), None where nobody can tell."""
    down = list(range(T - 1, -1, -1))
    for way, index_of in INDEX_OF.items():
        t = [index_of(v) for v in told]
        if max(abs(v - round(v)) for v in t) > 2e-3:
            continue
        t = [round(v) for v in t]
        wrong = {mistakes.raw_t: ["raw_t"], mistakes.t_over_the_last: ["t_over_last"]}.get(way, [])
        words = [DIVIDES] if wrong == ["raw_t"] and divides else []
        wrong = [] if words else wrong
        if t == down:
            return wrong, words, down
        if t == [v + 1 for v in down]:
            return wrong, [PAPER, *words], down
        if t == down[:-1]:
            return wrong, [STOPS_AT_ONE, *words], t
        if t == down[::-1]:
            return ["**the walk runs backwards**, from little noise to much: t falls from T - 1 to 0."], [], None
    first = ", ".join(f"{v:.4g}" for v in told[:3])
    return [f"It asks the unet {len(told)} times, at {first} ...; the course asks at t / T for t = {T - 1} down to 0."], [], None


def _ddpm_move(guess: Guess, m: Moment, before: tuple[Tensor, ...], t: int, t_prev: int, first_z: Tensor | None) -> Tensor:
    """context: which noise is meant, of those drawn after the unet was asked or, from -1 backwards, before."""
    p = guess.pieces
    eps, drawn = _guided(p, m), m.noises if guess.context >= 0 else before
    z = drawn[guess.context] if -len(drawn) <= guess.context < len(drawn) else torch.full_like(m.x, 1e6)
    x0_hat = p.clip(p.one_step(schedule(), m.x, p.at(t) if t < T - 1 else t, eps))
    noise = p.fresh_noise(
        p.spread(schedule(), torch.zeros_like(m.x), t, max(t_prev, CLEAN)), z, z if first_z is None else first_z, t_prev == CLEAN
    )
    return p.towards(schedule(), x0_hat, m.x, t, max(t_prev, CLEAN)) + noise


def _guided(p: Pieces, m: Moment) -> Tensor:
    cond, uncond = m.answers[min(m.answers)], m.answers.get(10)  # 10: asked without a class
    return cond if uncond is None or len(m.answers) == 1 else p.guide(cond, uncond, script.DIGITS_GAMMA)


def _allowed(m: Moment, t: int, x_next: Tensor, dtype: str) -> float:
    a, a_prev = schedule().alpha_bar(t), schedule().alpha_bar(t - 1)
    steep = math.sqrt(a_prev / a) * (1 - a / a_prev) / (1 - a)
    size = (
        rms(m.x)
        + rms(x_next)
        + steep * (rms(m.x) + 2 * script.DIGITS_GAMMA * sum(map(rms, m.answers.values())) * math.sqrt(1 - a))
    )
    return (4 * UNIT[dtype] + 1.5e-7 / (1 - a)) * size + 2e-5


def fm_sample(name: str, trace: Trace) -> Verdict:
    return _flow_walk(name, trace, ())


def class_fm_sample(name: str, trace: Trace) -> Verdict:
    return _flow_walk(name, trace, ("guide",))


def _flow_walk(name: str, trace: Trace, more: Sequence[str]) -> Verdict:
    refused = _refused(name, trace, more)
    if refused:
        return refused
    steps, told = script.FLOW_STEPS, [m.t for m in trace.moments]
    ways = [mistakes.flow_times, *(f for m in mistakes.MISTAKES.values() for f in m.functions.get("flow_times", ()))]
    way = next((w for w in ways if len(w(steps)) == len(told) and np.allclose(w(steps), told, atol=1e-3)), None)
    named = [] if way is mistakes.flow_times else _named("flow_times", way)
    if way is None:
        if told[0] > told[-1]:
            said = "**the walk runs backwards**. t = 0 is noise and t = 1 the picture: t rises."
        elif np.allclose(told, range(steps)):
            said, named = why(["raw_t"]), ["raw_t"]
        else:
            said = f"It asks the unet {len(told)} times, at {told[0]:.4g}, {told[1 % len(told)]:.4g} ...; the times are i / {steps}, i = 0 .. {steps - 1}."
        if not named:
            return Verdict(name, "wrong", said, ("timesteps",))
    wrong = [why(named)] if named else []
    wrong, named = _mode(trace, wrong, named, words := [])
    wrong += _start(trace)
    pairs = list(zip(trace.moments, [*(m.x for m in trace.moments[1:]), trace.out[0]], strict=True))

    def fit(guess: Guess) -> Fit:
        errors = []
        for m, x_next in pairs:
            made = guess.pieces.flow_step(m.x, _guided(guess.pieces, m), steps)
            shown = (
                [made]
                if x_next is not pairs[-1][1]
                else [made, made.clamp(0, 1), made.clamp(-1, 1), (made + 1) / 2, ((made + 1) / 2).clamp(0, 1)]
            )
            errors.append(min(apart(s, x_next) for s in shown))
        return fit_of(guess, errors, [4 * UNIT[trace.dtype] * (rms(m.x) + rms(x)) + 2e-4 * rms(x - m.x) + 2e-5 for m, x in pairs])

    found = find([Guess(Pieces())], ("flow_step", *more), fit)
    if found.worst > 1:
        return Verdict(name, "wrong", " ".join([*wrong, NONE_FITS]), tuple(named))
    wrong += [why(found.guess.mistakes)] if found.guess.mistakes else []
    return _sampled(
        name, trace, wrong, (*named, *found.guess.mistakes), [f"Agrees in all {len(pairs)} steps.", *words, *found.guess.words]
    )


def _named(piece: str, function: Callable | None) -> list[str]:
    return [m.name for m in mistakes.MISTAKES.values() if function in m.functions.get(piece, ())]


def _refused(name: str, trace: Trace, more: Sequence[str]) -> Verdict | None:
    if not trace.moments:
        return Verdict(name, "wrong", "It never asked the unet.", ("never_asked",))
    if not all_finite(trace.out) or not all(all_finite(m.x) for m in trace.moments):
        return Verdict(name, "wrong", GROWS, ("not_finite",))
    if trace.out is None or trace.out.shape != (1, len(trace.moments[0].x)):
        return Verdict(name, "wrong", "It returned pictures of another shape.")
    who = set().union(*(m.answers for m in trace.moments))
    if "guide" in more and len(who) < 2:
        only = "without a class" if who == {10} else "with the class"
        return Verdict(name, "wrong", f"{why(['no_guidance'])} The unet is asked only {only}.", ("no_guidance",))
    return None


def _mode(trace: Trace, wrong: list[str], named: list[str], words: list[str]) -> tuple[list[str], list[str]]:
    """(wrong, named) with a network that the function itself left in training mode; one that it never touched gets a word."""
    modes, training = trace.about.get("modes", []), any(trace.about["training"])
    if training and modes and modes[0]:
        return [*wrong, why(["training_mode"])], [*named, "training_mode"]
    words += [NO_EVAL] if training else []
    return wrong, named


def _start(trace: Trace) -> list[str]:
    """What is wrong with where the walk begins: with noise that was drawn."""
    x = trace.moments[0].x
    if any(apart(x, z) <= 4 * UNIT[trace.dtype] + 1e-5 for z in trace.before):
        return ["**it starts from uniform noise** (torch.rand): draw it with torch.randn."] if trace.uniform else []
    return ["**it does not start from noise**: the first picture is none that torch.randn drew."]


def _sampled(name: str, trace: Trace, wrong: list[str], named: tuple[str, ...], words: list[str]) -> Verdict:
    if wrong:
        said = [*wrong, _perhaps(named, trace)]
        return Verdict(name, "wrong", " ".join(s for s in said if s), named or ("start",))
    return Verdict(name, "right", " ".join(w for w in (*words, precision(trace.dtype)) if w))


CHECKS = {
    "noise_digits": noise_digits,
    "ddpm_schedule": ddpm_schedule,
    "ddpm_forward": ddpm_forward,
    "ddpm_sample": ddpm_sample,
    "ddpm_cfg_sample": ddpm_cfg_sample,
    "time_fm_forward": fm_forward,
    "time_fm_sample": fm_sample,
    "class_fm_forward": fm_forward,
    "class_fm_sample": class_fm_sample,
}
