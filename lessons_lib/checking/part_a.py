"""Verdicts on Part A: forward, one step, guidance, and the walks that ask stage_1.unet."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

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
from lessons_lib.checking.mistakes import MISTAKES, Pieces
from lessons_lib.checking.traces import Moment, Trace
from lessons_lib.maths.schedule import CLEAN, Schedule

TIMESTEPS = script.TIMESTEPS
CLIPPED = "x0_hat is clipped to [-1, 1]: not in the course's formula, allowed, and wise under guidance."
SQRT_BETA = "Its noise is sqrt(beta) z: a valid choice (DDPM's larger variance); the course takes the learned one."
POSTERIOR = "Its noise is that of the posterior: a valid choice (DDPM's smaller variance); the course takes the learned one."
UNCOND_VARIANCE = "It takes the variance of the unconditional answer: valid; the course takes the conditional one's."
DDIM = "This is DDIM's move, without noise (eta = 0): a valid sampler; the course asks for DDPM's, with noise."
HALF_TABLE = (
    "alpha_bar is read in float16, in which it is 1 at t <= 3 and 0 at t = 990 on this schedule: keep the table in float32."
)
TO_CLEAN = "It goes one move on, from t = 0 to the clean image: fine, the course stops at 0."
HALVES = "**the two halves of the answer change places**. The first three channels are the noise, the last three the variance."
BY_PLACE = (
    "**alpha_bar read at the loop's i, not at timesteps[i]**. The table has an entry for every t: alphas_cumprod[timesteps[i]]."
)
NOISE_ALONE = "It starts from noise alone: the picture is to be in it, noised to timesteps[i_start] = "
NOT_FROM_NOISE = (
    "**it does not start from noise**. x_T is torch.randn_like(original_image), the original is pasted after every move."
)
CHANGED = "It changes in place the picture that it is given: hand it a copy, image.clone(), if you need yours again."
ZERO_ONE = "The result is in [0, 1]: read as [-1, 1] here."


@cache
def schedule() -> Schedule:
    return Schedule(torch.from_numpy(script.squared_cosine()))


@cache
def schedule_in_half() -> Schedule:
    """The table as float16 has it, kept strictly falling and inside (0, 1)."""
    a = schedule().alphas_cumprod.half().double()
    fall = torch.arange(len(a), dtype=torch.float64) * 1e-12
    return Schedule((a - fall).clamp(1e-9, 1 - 1e-9) - fall)


@cache
def given() -> dict[str, Tensor]:
    """What the script hands out, thinned as it saves pictures: {name: (P,) float64}."""
    return {k: torch.from_numpy(script.thin(torch.from_numpy(v)[:1])).double().reshape(-1) for k, v in script.inputs().items()}


def noisy(t: int) -> Tensor:
    return mistakes.forward(schedule(), given()["x0"], t, given()["noise"])


# ---- one formula at a time --------------------------------------------------------------------------------------------


def forward(name: str, trace: Trace) -> Verdict:
    """Three results, at FORWARD_T, of the noise that was drawn for each, or of the noise handed in."""
    times, x0 = script.FORWARD_T, given()["x0"]
    if trace.out is None or trace.out.shape != (len(times), len(x0)):
        return Verdict(name, "wrong", "It returned pictures of another shape.")
    if not all_finite(trace.out):
        return _not_finite(name, trace)
    drawn = trace.before
    each = len(drawn) // len(times)  # of several drawn, any one may be meant
    noises = [[drawn[i * each + which] for i in range(len(times))] for which in range(each)]
    noises = noises or [[given()["noise"]] * len(times)]
    allowed = _allowed(trace, [rms(o) for o in trace.out])

    def fit(guess: Guess) -> Fit:
        p = guess.pieces
        made = [p.noisy_input(p.forward(schedule(), x0, p.at(t), z)) for t, z in zip(times, guess.context, strict=True)]
        return fit_of(guess, [apart(m, o) for m, o in zip(made, trace.out, strict=True)], allowed)

    found = find([Guess(Pieces(), context=tuple(z)) for z in noises], ("at", "forward", "noisy_input"), fit)
    if trace.uniform and found.worst > 1:
        ways = zip(*(of_uniform([z[i] for z in noises]) for i in range(len(times))), strict=True)
        found = min([found, *(fit(Guess(Pieces(), context=z)) for z in ways)], key=lambda f: f.total)
    if trace.uniform and found.worst <= 1 and not found.guess.mistakes:
        return Verdict(name, "wrong", UNIFORM, ("uniform",))
    return _said(name, trace, found, at=f"at t = {', '.join(map(str, times))}")


def one_step(name: str, trace: Trace) -> Verdict:
    """x0_hat at FORWARD_T[1], from the noise handed in or from its own question to the network; clipped or not."""
    t = script.FORWARD_T[1]
    x, eps = noisy(t), given()["eps_cond"]
    if trace.moments:
        who = max(trace.moments[0].answers)
        x, eps = trace.moments[0].x, _eps(trace.moments[0], who)
    if trace.out is None or trace.out.shape != (1, len(x)):
        return Verdict(name, "wrong", "It returned a picture of another shape.")
    if not all_finite(trace.out):
        return _not_finite(name, trace)
    allowed = _allowed(trace, [2 * rms(x) / math.sqrt(schedule().alpha_bar(t))])

    def fit(guess: Guess) -> Fit:
        p = guess.pieces
        return fit_of(guess, [apart(p.clip(p.one_step(schedule(), x, p.at(t), eps)), trace.out[0])], allowed)

    ways = right_ways({"clip": [(mistakes.no_clip, ""), (mistakes.clip, CLIPPED)]})
    found = find(ways, ("at", "one_step", "clip"), fit, without=("no_clip",))
    if found.worst > 1 and trace.moments:
        eps = trace.moments[0].answers[who][len(x) :]
        if any(fit(g).worst <= 1 for g in ways):
            return Verdict(name, "wrong", HALVES, ("halves_swapped",))
    return _said(name, trace, found, at=f"at t = {t}")


def guidance(name: str, trace: Trace) -> Verdict:
    cond, uncond = given()["eps_cond"], given()["eps_uncond"]
    if trace.out is None or trace.out.shape != (1, len(cond)):
        return Verdict(name, "wrong", "It returned a picture of another shape.")
    allowed = _allowed(trace, [2 * script.GAMMA * rms(cond)])

    def fit(guess: Guess) -> Fit:
        return fit_of(guess, [apart(guess.pieces.guide(cond, uncond, script.GAMMA), trace.out[0])], allowed)

    return _said(name, trace, find([Guess(Pieces())], ("guide",), fit), at=f"at gamma = {script.GAMMA:g}")


# ---- walks ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Move:
    """One move of a student's walk: from x at t, with the network's answers, to x_next, which stands at t_prev."""

    x: Tensor
    t: int
    t_prev: int
    cond: Tensor
    uncond: Tensor | None
    v: Tensor
    v_uncond: Tensor | None
    noises: tuple[Tensor, ...]  # drawn after it was asked, before it was asked again
    before: tuple[Tensor, ...]  # drawn before it was asked
    x_next: Tensor
    last: bool
    pastes: bool = False  # inpainting


RIGHT = {
    "clip": [(mistakes.no_clip, ""), (mistakes.clip, CLIPPED)],
    "spread": [(mistakes.learned_spread, ""), (mistakes.large_spread, SQRT_BETA), (mistakes.small_spread, POSTERIOR)],
    "fresh_noise": [(mistakes.noise_on_every_move, ""), (mistakes.fresh_noise, "")],
}
WALK = ("at", "one_step", "clip", "towards", "spread", "fresh_noise")
VALID = ("no_clip", "last_noise")  # what the Bug lab shows as a mistake, and the course's own code does


def ddim_towards(table: Schedule, x0_hat: Tensor, xt: Tensor, t: int, t_prev: int) -> Tensor:
    """DDIM's move at eta = 0 (Song et al. 2020, eq. 12)."""
    a_prev = table.alpha_bar(t_prev)
    return math.sqrt(a_prev) * x0_hat + math.sqrt(1 - a_prev) * table.predict_eps(xt, t, x0_hat)


def iterative_denoise(name: str, trace: Trace) -> Verdict:
    return _walk(name, trace, script.I_START, ())


def iterative_denoise_cfg(name: str, trace: Trace) -> Verdict:
    return _walk(name, trace, script.I_START, ("guide",))


def inpaint(name: str, trace: Trace) -> Verdict:
    walk = _walk(name, trace, 0, ("guide", "keep_outside"))
    if not trace.moments or walk.state != "right" and not walk.mistakes:
        return walk
    x, x0, inside = (
        trace.moments[0].x,
        given()["x0"],
        given()["mask"] > 0.5,
    )  # outside, a paste may have come before the first move
    begun = [s for z in trace.before for s in (z, mistakes.forward(schedule(), x0, TIMESTEPS[0], z))]
    if not all_finite(x) or any(apart(s[inside], x[inside]) <= _allowed(trace, [rms(x)])[0] for s in begun):
        return walk
    said = NOT_FROM_NOISE if walk.right else f"{NOT_FROM_NOISE} {walk.said}"
    return Verdict(name, "wrong", said, ("start", *walk.mistakes))


def image_to_image(name: str, trace: Trace) -> Verdict:
    """The picture noised to timesteps[i_start], then the walk, with or without guidance."""
    if not trace.moments:
        return _never_asked(name)
    x0, x = given()["x0"], trace.moments[0].x
    noises = [*trace.before, given()["noise"]]
    allowed = _allowed(trace, [rms(x)])[0]
    start = min(
        ((apart(p(schedule(), x0, TIMESTEPS, script.I_START, z), x), p) for z in noises for p in _STARTS), key=lambda s: s[0]
    )
    guided = len(set().union(*(m.answers for m in trace.moments))) > 1
    walk = _walk(name, trace, script.I_START, ("guide",) if guided else ())
    if start[0] <= allowed and start[1] is mistakes.start:
        return walk
    named = next((m for m in MISTAKES.values() if start[1] in m.functions.get("start", ())), None)
    if start[0] <= allowed and named:
        return Verdict(name, "wrong", f"{why([named.name])}", (named.name, *walk.mistakes))
    if any(apart(z, x) <= allowed for z in trace.before):
        return Verdict(name, "wrong", f"{NOISE_ALONE}{TIMESTEPS[script.I_START]}.", ("start",))
    t = min(range(schedule().T), key=lambda t: min(apart(mistakes.forward(schedule(), x0, t, z), x) for z in noises))
    if min(apart(mistakes.forward(schedule(), x0, t, z), x) for z in noises) <= allowed:
        expected = TIMESTEPS[script.I_START]
        return Verdict(
            name, "wrong", f"It starts from the picture noised to t = {t}; timesteps[i_start] is {expected}.", ("start",)
        )
    return Verdict(
        name, "wrong", "It does not start from the picture noised by forward(): no t and no noise drawn explain it.", ("start",)
    )


_STARTS = (mistakes.start, mistakes.start_one_entry_late, mistakes.start_at_the_last_entry, mistakes.start_clean)


def _walk(name: str, trace: Trace, i_start: int, more: Sequence[str]) -> Verdict:
    """The walk from timesteps[i_start]. more: "guide" and "keep_outside", where they belong to it."""
    if not trace.moments:
        return _never_asked(name)
    if trace.out is None or trace.out.shape != (1, len(trace.moments[0].x)):
        return Verdict(name, "wrong", "It returned a picture of another shape.")
    if not all_finite(trace.out) or not all(all_finite(m.x) for m in trace.moments):
        return _while_small(name, trace, i_start, more) or _not_finite(name, trace)
    asked_wrongly, words, times = _times(trace, i_start)
    if times is None:
        return Verdict(name, "wrong", asked_wrongly[0], ("timesteps",))
    who = set().union(*(m.answers for m in trace.moments))
    if "guide" in more and len(who) < 2:
        only = "with the prompt" if who == {1} else "without the prompt"
        return Verdict(name, "wrong", f"{why(['no_guidance'])} The network is asked only {only}.", ("no_guidance",))
    if "guide" not in more and who == {0}:
        words.append("It asks without the prompt that it was given.")
    found = _find(trace, times, more)
    if found.worst > 1:
        return _read_otherwise(name, trace, times, more) or _unknown(name, trace, times)
    words += [ZERO_ONE] if found.guess.context.from_zero else []
    words += [HALF_TABLE] if found.guess.context.table is schedule_in_half() else []
    found = replace(found, guess=replace(found.guess, words=(*words, *found.guess.words)))
    if asked_wrongly:
        said = " ".join([*asked_wrongly, why(found.guess.mistakes)]).strip()
        return Verdict(name, "wrong", said, ("timesteps", *found.guess.mistakes))
    n = len(times) - 1
    return _said(
        name,
        trace,
        found,
        at=f"in all {n} moves, from t = {times[0]} to {'the clean image' if times[-1] == CLEAN else times[-1]}",
    )


def _while_small(name: str, trace: Trace, i_start: int, more: Sequence[str]) -> Verdict | None:
    """What is wrong in a walk that ends in no number, by its moves before it grows large; None if they do not tell."""
    small = next((i for i, m in enumerate(trace.moments) if not m.x.abs().max() < 1e4), len(trace.moments))
    moves = small - 1
    times = TIMESTEPS[i_start:][: moves + 1]
    if moves < 1 or [m.t for m in trace.moments[:moves]] != times[:moves]:
        return None
    begun = replace(trace, moments=trace.moments[:moves], out=trace.moments[moves].x[None])
    found = _find(begun, times, more, ((_contexts(begun, more)[0], 1),))
    if found.worst > 1:
        return _read_otherwise(name, begun, times, more)
    return Verdict(name, "wrong", why(found.guess.mistakes), found.guess.mistakes) if found.guess.mistakes else None


def _times(trace: Trace, i_start: int) -> tuple[list[str], list[str], list[int] | None]:
    """(what is wrong with the timesteps it asked at, what else to say, the timesteps of its moves), None where nobody can tell."""
    asked = [m.t for m in trace.moments]
    right = TIMESTEPS[i_start:]
    if asked == right[:-1]:
        return [], [], right
    if asked == right:
        return [], [TO_CLEAN], [*right, CLEAN]
    if asked == right[1:]:
        said = "**the network asked at t', not at t**. x is at t = timesteps[i] when the network is asked, and t is what it must be told."
        return [said], [], right
    if asked == list(range(i_start, i_start + len(right) - 1)):
        return ["**the network told the index i, not the timestep**. It is timesteps[i] that it must be told."], [], right
    if i_start and asked in (TIMESTEPS[:-1], TIMESTEPS):
        said = (
            f"**i_start is not used**. The walk begins at timesteps[0] = {TIMESTEPS[0]}, not at timesteps[i_start] = {right[0]}."
        )
        return [said], [], TIMESTEPS if asked == TIMESTEPS[:-1] else [*TIMESTEPS, CLEAN]
    if len(asked) >= 2 and asked == right[: len(asked)]:
        said = f"**the walk stops at t = {right[len(asked)]}**. It goes on to the last entry of timesteps, 0."
        return [said], [], right[: len(asked) + 1]
    if asked == sorted(asked) and len(asked) > 1:
        return ["**the walk runs backwards**, from little noise to much: timesteps fall from 990 to 0."], [], None
    first = ", ".join(f"{t:g}" for t in asked[:4])
    return (
        [f"It asks the network at t = {first} ...; timesteps[i_start:] is {right[0]}, {right[1]}, {right[2]} ..., 0."],
        [],
        None,
    )


@dataclass(frozen=True)
class Context:
    """noise, paste: which of the noises drawn went into the move, and which into what was pasted: (-1 before or 0 after the
    network was asked, place). table: the schedule as it was read. from_zero: the result is a picture of [0, 1]. by_place:
    alpha_bar is read at the place of t in TIMESTEPS. halves: the network's answer is read as variance and noise."""

    noise: tuple[int, int]
    paste: tuple[int, int]
    table: Schedule
    from_zero: bool
    by_place: bool = False
    halves: bool = False

    def of(self, m: Move, which: tuple[int, int]) -> Tensor:
        """That noise, or where none was drawn a value that no picture holds: what was not drawn cannot be in it."""
        noises, place = m.before if which[0] else m.noises, which[1]
        return noises[place] if -len(noises) <= place < len(noises) else torch.full_like(m.x, 1e6)


MOST_NOISES = 3  # of those drawn for one move, how many are tried


def _contexts(trace: Trace, more: Sequence[str]) -> tuple[list[Context], list[Context]]:
    """The usual ones; and those of noise that was drawn before the network was asked."""
    drawn = min(max((len(m.noises) for m in trace.moments), default=0), MOST_NOISES)
    after, before = [(0, i) for i in range(drawn)], [(-1, -1 - i) for i in range(min(max(drawn, 2), MOST_NOISES))]
    if "keep_outside" in more and drawn > 1:
        uses = [*itertools.permutations(after, 2), ((0, 0), (-1, -1))]
        rare = [((-1, -1), (0, 0)), *itertools.permutations(before, 2)]
    else:
        uses = [(z, (0, 0)) for z in after or [(0, 0)]]
        rare = [(z, (0, 0)) for z in before] if trace.before else []
    tables = [schedule(), schedule_in_half()] if trace.dtype == "float16" else [schedule()]
    out = trace.out[0]
    scales = (False, True) if out.min() >= -1e-3 and out.max() <= 1 + 1e-3 else (False,)
    usual, others = ([Context(n, p, t, z) for z in scales for n, p in some for t in tables] for some in (uses, rare))
    return usual, others


def _read_otherwise(name: str, trace: Trace, times: list[int], more: Sequence[str]) -> Verdict | None:
    """A walk that is right but for where in the table, or in the answer, it reads; or None."""
    usual, _ = _contexts(trace, more)
    for how, said, what in (("by_place", BY_PLACE, "table_at_index"), ("halves", HALVES, "halves_swapped")):
        contexts = [replace(c, **{how: True}) for c in usual]
        if _find(trace, times, more, ((contexts, 0),)).worst <= 1:
            return Verdict(name, "wrong", said, (what,))
    return None


def _find(trace: Trace, times: list[int], more: Sequence[str], tries: Sequence[tuple[list[Context], int]] = ()) -> Fit:
    """The best explanation of the moves. tries: (contexts, how many mistakes at most), if not the usual ones."""
    usual, rare = _contexts(trace, more)
    tries = tries or ((usual, 1), (rare, 1), (usual, 2))
    moves = {
        zero: _few(_moves(trace, times, trace.out[0] * 2 - 1 if zero else trace.out[0], "keep_outside" in more))
        for zero in {c.from_zero for c in usual}
    }
    allowed = {by: [_allowed_in(_by_place(m) if by else m, trace.dtype) for m in moves[False]] for by in (False, True)}
    first_z = next((n for n in (*trace.before[-1:], *(z for m in trace.moments for z in m.noises))), None)

    def fit(guess: Guess) -> Fit:
        c, errors = guess.context, []
        for m, allow in zip(moves[c.from_zero], allowed[c.by_place], strict=True):
            made = _moved(guess, m, first_z)
            errors.append(min(apart(made, m.x_next), apart(made.clamp(-1, 1), m.x_next)) if m.last else apart(made, m.x_next))
            if errors[-1] > 100 * allow:  # hopeless: spare the rest
                return Fit(guess, errors[-1] / allow, math.inf)
        return fit_of(guess, errors, allowed[c.by_place])

    rights = right_ways(RIGHT)
    if "guide" in more:
        learned = [g for g in rights if g.pieces.spread is mistakes.learned_spread]
        rights += [replace(g, words=(*g.words, UNCOND_VARIANCE)) for g in learned]
    ddim = Guess(
        replace(Pieces(), towards=ddim_towards, fresh_noise=mistakes.no_noise, clip=mistakes.no_clip), (DDIM,), alone=True
    )
    rights += [ddim, replace(ddim, pieces=replace(ddim.pieces, clip=mistakes.clip), words=(DDIM, CLIPPED))]
    best = None
    for contexts, most in tries:
        if contexts:
            found = find([replace(g, context=c) for c in contexts for g in rights], (*WALK, *more), fit, without=VALID, most=most)
            if found.worst <= 1:
                return found
            best = found if best is None or found.total < best.total else best
    return best


def _moves(trace: Trace, times: list[int], result: Tensor, pastes: bool = False) -> list[Move]:
    moments, moves = trace.moments[: len(times) - 1], []
    for i, m in enumerate(moments):
        last = i + 1 == len(moments)
        who = max(m.answers)
        uncond = m.answers.get(0) if who == 1 else None
        half = len(m.answers[who]) // 2
        moves.append(
            Move(
                m.x,
                times[i],
                times[i + 1],
                m.answers[who][:half],
                None if uncond is None else uncond[:half],
                m.answers[who][half:],
                None if uncond is None else uncond[half:],
                m.noises,
                moments[i - 1].noises if i else trace.before,
                result if last else moments[i + 1].x,
                last,
                pastes,
            )
        )
    return moves


def _few(moves: list[Move]) -> list[Move]:
    """Enough of them to tell every mistake: the first, the last, and some between."""
    n = len(moves)
    middle = n // 2  # first, for it tells most apart
    return [moves[i] for i in dict.fromkeys((middle, n - 1, *range(min(2, n)), n // 4, 3 * n // 4, *range(max(n - 3, 0), n)))]


def _by_place(m: Move) -> Move:
    """The move with the place of t in TIMESTEPS for t."""
    t, t_prev = (TIMESTEPS.index(k) if k != CLEAN else k for k in (m.t, m.t_prev))
    return replace(m, t=t, t_prev=t_prev)


def _moved(guess: Guess, m: Move, first_z: Tensor | None) -> Tensor:
    p, c, table = guess.pieces, guess.context, guess.context.table
    if c.halves:
        m = replace(m, cond=m.v, uncond=m.v_uncond, v=m.cond, v_uncond=m.uncond)
    read = _by_place(m) if c.by_place else m
    eps = m.cond if m.uncond is None else p.guide(m.cond, m.uncond, script.GAMMA)
    x0_hat = p.clip(p.one_step(table, m.x, p.at(read.t), eps))
    v = m.v_uncond if UNCOND_VARIANCE in guess.words and m.v_uncond is not None else m.v
    z = c.of(m, c.noise)
    noise = p.fresh_noise(p.spread(schedule(), v, m.t, m.t_prev), z, z if first_z is None else first_z, m.last)
    made = p.towards(table, x0_hat, m.x, read.t, read.t_prev) + noise
    if not m.pastes:
        return made
    mask, x0 = given()["mask"], given()["x0"]
    pasted = p.keep_outside(table, made, x0, mask, m.t, m.t_prev, c.of(m, c.paste))
    if m.last and p.keep_outside in (
        mistakes.keep_outside,
        mistakes.paste_nothing,
    ):  # the last may be left out, or be the clean original
        ways = (pasted, made, mistakes.paste_clean(table, made, x0, mask, m.t, m.t_prev, made))
        return min(ways, key=lambda w: apart(w, m.x_next))
    return pasted


def _allowed_in(m: Move, dtype: str) -> float:
    """What rounding may do to one move: the student's float type in every term, and float32 in the schedule's 1 - alpha_bar."""
    a, a_prev = schedule().alpha_bar(m.t), schedule().alpha_bar(m.t_prev)
    eps = m.cond if m.uncond is None else mistakes.guide(m.cond, m.uncond, script.GAMMA)
    steep = math.sqrt(a_prev / a) * abs(1 - a / a_prev) / (1 - a)  # how an error of x0_hat's numerator reaches x_next
    size = (
        rms(m.x)
        + rms(m.x_next)
        + steep * (rms(m.x) + 2 * math.sqrt(1 - a) * (rms(eps) + script.GAMMA * rms(m.cond) * (m.uncond is not None)))
    )
    return (4 * UNIT[dtype] + 1.5e-7 / (1 - a)) * size + 2e-5


# ---- what is said -----------------------------------------------------------------------------------------------------


def _allowed(trace: Trace, sizes: list[float]) -> list[float]:
    return [4 * UNIT[trace.dtype] * max(s, 1) + 2e-5 for s in sizes]


def _eps(moment: Moment, who: int) -> Tensor:
    return moment.answers[who][: len(moment.x)]


def _said(name: str, trace: Trace, found: Fit, at: str) -> Verdict:
    if found.worst > 1:
        return Verdict(name, "wrong", NONE_FITS)
    if found.guess.mistakes:
        return Verdict(name, "wrong", why(found.guess.mistakes), found.guess.mistakes)
    changed = CHANGED if trace.about.get("changed") else ""
    words = [f"Agrees {at}.", *found.guess.words, precision(trace.dtype), _layout(trace), changed]
    return Verdict(name, "right", " ".join(w for w in words if w))


def _layout(trace: Trace) -> str:
    layout = str(trace.about.get("layout", ""))
    said = {
        "CHW": "Pictures without a batch: understood.",
        "NHWC": "Channels last: understood.",
        "HWC": "Channels last: understood.",
    }
    return said.get(layout.removesuffix(" numpy"), "")


def _never_asked(name: str) -> Verdict:
    return Verdict(name, "wrong", "It never asked stage_1.unet for its estimate of the noise.", ("never_asked",))


def _not_finite(name: str, trace: Trace) -> Verdict:
    said = GROWS
    if trace.dtype == "float16":
        said += " In float16 alpha_bar is 1 at t <= 3, and 1 - alpha_bar is 0: keep the schedule in float32."
    return Verdict(name, "wrong", said, ("not_finite",))


def _unknown(name: str, trace: Trace, times: list[int]) -> Verdict:
    """None of the mistakes fits: say what the weights of a move are against the course's."""
    moves = _moves(trace, times, trace.out[0])
    m = moves[len(moves) // 2]
    s = schedule()
    eps = m.cond if m.uncond is None else mistakes.guide(m.cond, m.uncond, script.GAMMA)
    x0_hat = mistakes.one_step(s, m.x, m.t, eps)
    parts = {"x0_hat": x0_hat, "x_t": m.x, **({"z": m.noises[0]} if m.noises else {})}
    a, a_prev = s.alpha_bar(m.t), s.alpha_bar(m.t_prev)
    right = {
        "x0_hat": math.sqrt(a_prev) * (1 - a / a_prev) / (1 - a),
        "x_t": math.sqrt(a / a_prev) * (1 - a_prev) / (1 - a),
        "z": rms(mistakes.learned_spread(s, m.v, m.t, m.t_prev)),
    }
    said, told = NONE_FITS, told_by_weights(m.x_next, parts, right)[0]
    if not any(k.noises for k in moves) and not trace.before:
        said += " No noise was drawn by torch.randn_like or torch.randn while it ran: draw it there, so that it can be followed."
    elif told:
        said += f" From t = {m.t} to {m.t_prev} its weights are: {told}."
    return Verdict(name, "wrong", said)


CHECKS = {
    "forward": forward,
    "one_step": one_step,
    "guidance": guidance,
    "iterative_denoise": iterative_denoise,
    "iterative_denoise_cfg": iterative_denoise_cfg,
    "image_to_image": image_to_image,
    "inpaint": inpaint,
}
