"""Check a student's own functions from arrays alone: no uploaded code is ever run.

The student runs their functions on the inputs handed out (`inputs()`), saves what they return in one .npz file and uploads
it. `check()` compares each array with the right one and, where it differs, with what each of the classic bugs would have
made of the same inputs, and so names the likely cause.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from lessons_lib.decoders import arrays
from lessons_lib.errors import LessonsError
from lessons_lib.lessons import bugs
from lessons_lib.schedule import Schedule

SIZE = 16
T, STRIDE = 1000, 30
ENTRIES = 6  # of the list of timesteps are walked: a whole walk forgets where it began, and with it a wrong start
TOLERANCE = 2e-3  # float32 against float64, and a schedule read from a float32 table
FUNCTIONS = ("forward", "one_step", "iterative_denoise", "cfg", "inpaint")


@dataclass(frozen=True)
class Verdict:
    """function: which. right: True if it agrees. said: one sentence. error: largest difference, None if it cannot be compared."""

    function: str
    right: bool
    said: str
    error: float | None = None


def inputs() -> dict[str, np.ndarray]:
    """What is handed out: images, noises, network answers and timesteps, all float32 and the same for everyone."""
    g = torch.Generator().manual_seed(180)
    x0 = (torch.rand(2, 3, SIZE, SIZE, generator=g) * 2 - 1) * 0.9
    eps, eps_cond, eps_uncond = (torch.randn(2, 3, SIZE, SIZE, generator=g) for _ in range(3))
    timesteps = Schedule.cosine(T).timesteps(STRIDE)
    mask = torch.zeros(1, 1, SIZE, SIZE)
    mask[..., : SIZE // 2, :] = 1
    z = torch.randn(len(timesteps) - 1, 2, 3, SIZE, SIZE, generator=g)
    return {
        "x0": x0.numpy(), "eps": eps.numpy(), "eps_cond": eps_cond.numpy(), "eps_uncond": eps_uncond.numpy(), "z": z.numpy(),
        "mask": mask.numpy(), "t": np.array(500), "t_prev": np.array(480), "i_start": np.array(10), "guidance_scale": np.array(7.0),
        "timesteps": np.array(timesteps), "alphas_cumprod": Schedule.cosine(T).alphas_cumprod.numpy(),
    }  # fmt: skip


def answers(pieces: bugs.Pieces) -> dict[str, torch.Tensor]:
    """What functions made of these pieces return for the inputs, in float64."""
    given = {k: torch.from_numpy(np.asarray(v)).double() for k, v in inputs().items()}
    schedule = Schedule.cosine(T)
    t, t_prev, i_start = (int(given[k]) for k in ("t", "t_prev", "i_start"))
    timesteps = [int(v) for v in given["timesteps"]]
    x0, eps = given["x0"], given["eps"]
    xt = pieces.forward(schedule, x0, t, eps)
    right_xt = bugs.forward(schedule, x0, t, eps)
    made = {
        "forward": xt,
        "one_step": pieces.one_step(schedule, right_xt, t, given["eps_cond"]),
        "cfg": pieces.guide(given["eps_cond"], given["eps_uncond"], float(given["guidance_scale"])),
        "inpaint": pieces.keep_outside(schedule, given["eps_uncond"], x0, given["mask"], t, t_prev, eps),
    }
    x = pieces.start(schedule, x0, timesteps, i_start, eps)
    walk = timesteps[i_start : i_start + ENTRIES]
    for index, (a, b) in enumerate(zip(walk, walk[1:], strict=False)):
        # the network's part is played by the noise that leads to x0, a little disturbed
        guess = bugs.clip(bugs.one_step(schedule, x, a, schedule.predict_eps(x, a, x0) + 0.3 * given["eps_cond"]))
        if pieces.clip is not bugs.clip or pieces.one_step is not bugs.one_step:
            guess = pieces.clip(pieces.one_step(schedule, x, a, schedule.predict_eps(x, a, x0) + 0.3 * given["eps_cond"]))
        last = index == len(walk) - 2
        std = schedule.posterior_variance(a, b) ** 0.5
        x = pieces.towards(schedule, guess, x, a, b) + pieces.fresh_noise(std, given["z"][index], last)
    made["iterative_denoise"] = x
    return made


def check(file: bytes) -> list[Verdict]:
    """A verdict for every function, in the course's order.

    Raises: LessonsError if the file is no .npz, too large, or holds none of the functions' arrays.
    """
    theirs = _open(file)
    right = answers(bugs.Pieces())
    wrong = {b: answers(b.pieces) for b in bugs.BUGS if not {"ask_network"} & set(b.wrong)}
    return [_verdict(name, theirs.get(name), right[name], {b: w[name] for b, w in wrong.items()}) for name in FUNCTIONS]


def first_wrong(verdicts: list[Verdict]) -> Verdict | None:
    """The first function that differs: mend it before you look at those after it."""
    return next((v for v in verdicts if not v.right), None)


def _open(file: bytes) -> dict[str, np.ndarray]:
    said = "This is not a .npz file of arrays: make it with np.savez as the script does."
    found = arrays(file, FUNCTIONS, said=said)
    if not found:
        raise LessonsError(f"This file holds none of the arrays {', '.join(FUNCTIONS)}: name them as the script does.")
    return found


def _verdict(name: str, theirs, right: torch.Tensor, wrong: dict) -> Verdict:
    if theirs is None:
        return Verdict(name, False, f"{name} is not in the file yet.")
    if theirs.dtype.kind not in "fiu":
        return Verdict(name, False, f"{name} holds {theirs.dtype}, not numbers: return a float array.")
    x = torch.from_numpy(theirs.astype(np.float64))
    if x.shape != right.shape:
        return Verdict(name, False, f"{name} has shape {tuple(x.shape)}; expected {tuple(right.shape)}.")
    if not bool(torch.isfinite(x).all()):
        return Verdict(
            name,
            False,
            f"{name} holds {int((~torch.isfinite(x)).sum())} values that are no numbers: look for a division by zero.",
        )
    error = (x - right).abs().max().item()
    if error <= TOLERANCE:
        return Verdict(name, True, f"{name} agrees, to {error:.1e}.", error)
    close: list[tuple[float, Callable]] = [
        ((x - w).abs().max().item(), b) for b, w in wrong.items() if (w - right).abs().max() > TOLERANCE
    ]
    distance, bug = min(close, key=lambda pair: pair[0], default=(error, None))
    if bug is not None and distance <= TOLERANCE:
        return Verdict(name, False, f"{name}: {bug.title}. {bug.why}", error)
    if (x.double() * 2 - 1 - right).abs().max() <= TOLERANCE or ((x + 1) / 2 - right).abs().max() <= TOLERANCE:
        return Verdict(name, False, f"{name} is right, but in another value range: keep images in [-1, 1].", error)
    place = np.unravel_index(int((x - right).abs().argmax()), tuple(right.shape))
    return Verdict(
        name, False, f"{name} differs by {error:.3g} at {tuple(int(i) for i in place)}: none of the classic bugs fits.", error
    )


SCRIPT = '''"""Run your own functions on the inputs handed out, and save what they return. Nothing of your code leaves your machine."""
import numpy as np
import torch

given = {k: torch.from_numpy(np.asarray(v)) for k, v in np.load("check-inputs.npz").items()}
# from your_project import forward, one_step, iterative_denoise, cfg, inpaint

t, t_prev = int(given["t"]), int(given["t_prev"])
x0, eps = given["x0"], given["eps"]
a = given["alphas_cumprod"][t].float()
xt = a.sqrt() * x0 + (1 - a).sqrt() * eps  # the right x_t, so that one bug does not hide the next

np.savez(
    "my-arrays.npz",
    forward=forward(x0, t, eps),  # x0 noised to t = 500
    one_step=one_step(xt, t, given["eps_cond"]),  # x0_hat, not clipped
    cfg=cfg(given["eps_cond"], given["eps_uncond"], 7.0),
    # your constraint, applied to x_prev = eps_uncond at t_prev = 480, keeping x0 outside the mask, with the noise eps
    inpaint=inpaint(given["eps_uncond"], x0, given["mask"], t_prev, eps),
    # x0 noised to timesteps[10] with eps, then the five moves of timesteps[10:16], no noise on the last; clip x0_hat; std = sqrt(posterior variance), noise z[i].
    # The network's part: eps_hat = (noise that leads from x to x0) + 0.3 * eps_cond
    iterative_denoise=iterative_denoise(x0, eps, given["timesteps"][10:16], given["z"], given["eps_cond"]),
)
'''
