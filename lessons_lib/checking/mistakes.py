"""The classic mistakes, as real code that really runs.

What a student writes is put together from small pieces, and every mistake is one piece written wrongly, beside the same
piece written right. The Bug lab walks with the wrong pieces; Check my code looks for them in what a student's functions did.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from lessons_lib.maths.schedule import Schedule

# ---- the pieces, right ------------------------------------------------------------------------------------------------


def at(t: int) -> int:
    return t


def forward(schedule: Schedule, x0: Tensor, t: int, eps: Tensor) -> Tensor:
    a = schedule.alpha_bar(t)
    return math.sqrt(a) * x0 + math.sqrt(1 - a) * eps


def noisy_input(x: Tensor) -> Tensor:
    return x


def one_step(schedule: Schedule, xt: Tensor, t: int, eps: Tensor) -> Tensor:
    a = schedule.alpha_bar(t)
    return (xt - math.sqrt(1 - a) * eps) / math.sqrt(a)


def clip(x0_hat: Tensor) -> Tensor:
    return x0_hat.clamp(-1, 1)


def towards(schedule: Schedule, x0_hat: Tensor, xt: Tensor, t: int, t_prev: int) -> Tensor:
    a, a_prev = schedule.alpha_bar(t), schedule.alpha_bar(t_prev)
    alpha = a / a_prev
    beta = 1 - alpha
    return math.sqrt(a_prev) * beta / (1 - a) * x0_hat + math.sqrt(alpha) * (1 - a_prev) / (1 - a) * xt


def large_spread(schedule: Schedule, v: Tensor | None, t: int, t_prev: int) -> float:
    beta = 1 - schedule.alpha_bar(t) / schedule.alpha_bar(t_prev)
    return math.sqrt(beta)


def small_spread(schedule: Schedule, v: Tensor | None, t: int, t_prev: int) -> float:
    return math.sqrt(schedule.posterior_variance(t, t_prev))


def learned_spread(schedule: Schedule, v: Tensor, t: int, t_prev: int) -> Tensor:
    return torch.exp(0.5 * schedule.learned_log_variance(v, t, t_prev))


def fresh_noise(std: float | Tensor, z: Tensor, first_z: Tensor, last: bool) -> Tensor:
    return torch.zeros_like(z) if last else std * z


def guide(eps_cond: Tensor, eps_uncond: Tensor, guidance_scale: float) -> Tensor:
    return eps_uncond + guidance_scale * (eps_cond - eps_uncond)


def time_of(t: int, T: int) -> float:
    return t / T


def ready(unet: nn.Module) -> nn.Module:
    return unet.eval()


def start(schedule: Schedule, x0: Tensor, timesteps: list[int], i_start: int, eps: Tensor) -> Tensor:
    return forward(schedule, x0, timesteps[i_start], eps)


def keep_outside(schedule: Schedule, x_prev: Tensor, x_orig: Tensor, mask: Tensor, t: int, t_prev: int, eps: Tensor) -> Tensor:
    return mask * x_prev + (1 - mask) * forward(schedule, x_orig, t_prev, eps)


def target(x0: Tensor, eps: Tensor) -> Tensor:
    return eps


def flow_point(x_0: Tensor, x_1: Tensor, t: float) -> Tensor:
    return (1 - t) * x_0 + t * x_1


def flow_target(x_0: Tensor, x_1: Tensor) -> Tensor:
    return x_1 - x_0


def flow_times(num_steps: int) -> list[float]:
    return [i / num_steps for i in range(num_steps)]


def flow_step(x: Tensor, u: Tensor, num_steps: int) -> Tensor:
    return x + u / num_steps


# ---- the same pieces, wrong -------------------------------------------------------------------------------------------


def one_timestep_early(t: int) -> int:
    return max(t - 1, 0)


def one_timestep_late(t: int) -> int:
    return t + 1


def forward_without_sqrt(schedule: Schedule, x0: Tensor, t: int, eps: Tensor) -> Tensor:
    a = schedule.alpha_bar(t)
    return a * x0 + (1 - a) * eps


def forward_without_sqrt_of_the_noise(schedule: Schedule, x0: Tensor, t: int, z: Tensor) -> Tensor:
    a = schedule.alpha_bar(t)
    return math.sqrt(a) * x0 + (1 - a) * z


def one_step_without_sqrt(schedule: Schedule, xt: Tensor, t: int, eps: Tensor) -> Tensor:
    a = schedule.alpha_bar(t)
    return (xt - (1 - a) * eps) / a


def forward_with_alpha(schedule: Schedule, x0: Tensor, t: int, eps: Tensor) -> Tensor:
    a = schedule.alpha_bar(t) / schedule.alpha_bar(t - 1)
    return math.sqrt(a) * x0 + math.sqrt(1 - a) * eps


def one_step_with_alpha(schedule: Schedule, xt: Tensor, t: int, eps: Tensor) -> Tensor:
    a = schedule.alpha_bar(t) / schedule.alpha_bar(t - 1)
    return (xt - math.sqrt(1 - a) * eps) / math.sqrt(a)


def forward_weights_swapped(schedule: Schedule, x0: Tensor, t: int, eps: Tensor) -> Tensor:
    a = schedule.alpha_bar(t)
    return math.sqrt(1 - a) * x0 + math.sqrt(a) * eps


def one_step_weights_swapped(schedule: Schedule, xt: Tensor, t: int, eps: Tensor) -> Tensor:
    a = schedule.alpha_bar(t)
    return (xt - math.sqrt(a) * eps) / math.sqrt(1 - a)


def forward_without_noise(schedule: Schedule, x0: Tensor, t: int, eps: Tensor) -> Tensor:
    return math.sqrt(schedule.alpha_bar(t)) * x0


def one_step_not_divided(schedule: Schedule, xt: Tensor, t: int, eps: Tensor) -> Tensor:
    return xt - math.sqrt(1 - schedule.alpha_bar(t)) * eps


def eps_for_x0(schedule: Schedule, xt: Tensor, t: int, eps: Tensor) -> Tensor:
    return eps


def clamped_input(x: Tensor) -> Tensor:
    return x.clamp(-1, 1)


def input_clamped_to_one(x: Tensor) -> Tensor:
    return x.clamp(0, 1)


def no_clip(x0_hat: Tensor) -> Tensor:
    return x0_hat


def clip_to_zero_and_one(x0_hat: Tensor) -> Tensor:
    return x0_hat.clamp(0, 1)


def towards_with_the_tables_alpha(schedule: Schedule, x0_hat: Tensor, xt: Tensor, t: int, t_prev: int) -> Tensor:
    a, a_prev = schedule.alpha_bar(t), schedule.alpha_bar(t_prev)
    alpha = a / schedule.alpha_bar(t - 1)  # scheduler.alphas[t]
    beta = 1 - alpha
    return math.sqrt(a_prev) * beta / (1 - a) * x0_hat + math.sqrt(alpha) * (1 - a_prev) / (1 - a) * xt


def towards_one_timestep(schedule: Schedule, x0_hat: Tensor, xt: Tensor, t: int, t_prev: int) -> Tensor:
    return towards(schedule, x0_hat, xt, t, t - 1)


def towards_without_sqrt(schedule: Schedule, x0_hat: Tensor, xt: Tensor, t: int, t_prev: int) -> Tensor:
    a, a_prev = schedule.alpha_bar(t), schedule.alpha_bar(t_prev)
    alpha = a / a_prev
    beta = 1 - alpha
    return a_prev * beta / (1 - a) * x0_hat + alpha * (1 - a_prev) / (1 - a) * xt


def towards_swapped(schedule: Schedule, x0_hat: Tensor, xt: Tensor, t: int, t_prev: int) -> Tensor:
    return towards(schedule, xt, x0_hat, t, t_prev)


def towards_wrapping_round(schedule: Schedule, x0_hat: Tensor, xt: Tensor, t: int, t_prev: int) -> Tensor:
    a, a_prev = schedule.alphas_cumprod[t].item(), schedule.alphas_cumprod[t_prev].item()  # t_prev = -1 is the last entry
    alpha = a / a_prev
    beta = 1 - alpha
    return math.sqrt(a_prev) * beta / (1 - a) * x0_hat + math.sqrt(alpha) * (1 - a_prev) / (1 - a) * xt


def towards_wrapping_round_by_the_table(schedule: Schedule, x0_hat: Tensor, xt: Tensor, t: int, t_prev: int) -> Tensor:
    a, a_prev = schedule.alphas_cumprod[t].item(), schedule.alphas_cumprod[t_prev].item()
    alpha = schedule.move(t, t_prev)[0]  # alphas[t], which does not wrap
    beta = 1 - alpha
    return math.sqrt(a_prev) * beta / (1 - a) * x0_hat + math.sqrt(alpha) * (1 - a_prev) / (1 - a) * xt


def towards_forgetting_xt(schedule: Schedule, x0_hat: Tensor, xt: Tensor, t: int, t_prev: int) -> Tensor:
    a, a_prev = schedule.alpha_bar(t), schedule.alpha_bar(t_prev)
    return math.sqrt(a_prev) * (1 - a / a_prev) / (1 - a) * x0_hat


def large_variance(schedule: Schedule, v: Tensor | None, t: int, t_prev: int) -> float:
    return 1 - schedule.alpha_bar(t) / schedule.alpha_bar(t_prev)


def small_variance(schedule: Schedule, v: Tensor | None, t: int, t_prev: int) -> float:
    return schedule.posterior_variance(t, t_prev)


def learned_variance(schedule: Schedule, v: Tensor, t: int, t_prev: int) -> Tensor:
    return torch.exp(schedule.learned_log_variance(v, t, t_prev))


def log_variance(schedule: Schedule, v: Tensor, t: int, t_prev: int) -> Tensor:
    return schedule.learned_log_variance(v, t, t_prev)


def learned_spread_at_t_prev(schedule: Schedule, v: Tensor, t: int, t_prev: int) -> Tensor:
    return learned_spread(schedule, v, t_prev, max(2 * t_prev - t, -1))


def noise_on_every_move(std: float | Tensor, z: Tensor, first_z: Tensor, last: bool) -> Tensor:
    return std * z


def no_noise(std: float | Tensor, z: Tensor, first_z: Tensor, last: bool) -> Tensor:
    return torch.zeros_like(z)


def one_noise_for_all(std: float | Tensor, z: Tensor, first_z: Tensor, last: bool) -> Tensor:
    return torch.zeros_like(z) if last else std * first_z


def guide_backwards(eps_cond: Tensor, eps_uncond: Tensor, guidance_scale: float) -> Tensor:
    return eps_uncond + guidance_scale * (eps_uncond - eps_cond)


def guide_with_arguments_swapped(eps_cond: Tensor, eps_uncond: Tensor, guidance_scale: float) -> Tensor:
    return guide(eps_uncond, eps_cond, guidance_scale)


def guide_by_w(eps_cond: Tensor, eps_uncond: Tensor, guidance_scale: float) -> Tensor:
    w = guidance_scale
    return (1 + w) * eps_cond - w * eps_uncond


def guide_from_the_condition(eps_cond: Tensor, eps_uncond: Tensor, guidance_scale: float) -> Tensor:
    return eps_cond + guidance_scale * (eps_cond - eps_uncond)


def no_guidance(eps_cond: Tensor, eps_uncond: Tensor, guidance_scale: float) -> Tensor:
    return eps_cond


def condition_scaled(eps_cond: Tensor, eps_uncond: Tensor, guidance_scale: float) -> Tensor:
    return eps_uncond + guidance_scale * eps_cond


def raw_t(t: int, T: int) -> float:
    return float(t)


def t_over_the_last(t: int, T: int) -> float:
    return t / (T - 1)


def left_in_training_mode(unet: nn.Module) -> nn.Module:
    return unet.train()


def start_one_entry_late(schedule: Schedule, x0: Tensor, timesteps: list[int], i_start: int, eps: Tensor) -> Tensor:
    return forward(schedule, x0, timesteps[i_start + 1], eps)


def start_at_the_last_entry(schedule: Schedule, x0: Tensor, timesteps: list[int], i_start: int, eps: Tensor) -> Tensor:
    return forward(schedule, x0, timesteps[-1], eps)


def start_clean(schedule: Schedule, x0: Tensor, timesteps: list[int], i_start: int, eps: Tensor) -> Tensor:
    return x0


def keep_outside_at_t(
    schedule: Schedule, x_prev: Tensor, x_orig: Tensor, mask: Tensor, t: int, t_prev: int, eps: Tensor
) -> Tensor:
    return mask * x_prev + (1 - mask) * forward(schedule, x_orig, t, eps)


def keep_inside(schedule: Schedule, x_prev: Tensor, x_orig: Tensor, mask: Tensor, t: int, t_prev: int, eps: Tensor) -> Tensor:
    return (1 - mask) * x_prev + mask * forward(schedule, x_orig, t_prev, eps)


def paste_clean(schedule: Schedule, x_prev: Tensor, x_orig: Tensor, mask: Tensor, t: int, t_prev: int, eps: Tensor) -> Tensor:
    return mask * x_prev + (1 - mask) * x_orig


def paste_everywhere(
    schedule: Schedule, x_prev: Tensor, x_orig: Tensor, mask: Tensor, t: int, t_prev: int, eps: Tensor
) -> Tensor:
    return mask * x_prev + forward(schedule, x_orig, t_prev, eps)


def paste_nothing(schedule: Schedule, x_prev: Tensor, x_orig: Tensor, mask: Tensor, t: int, t_prev: int, eps: Tensor) -> Tensor:
    return x_prev


def target_x0(x0: Tensor, eps: Tensor) -> Tensor:
    return x0


def flow_point_backwards(x_0: Tensor, x_1: Tensor, t: float) -> Tensor:
    return t * x_0 + (1 - t) * x_1


def flow_target_backwards(x_0: Tensor, x_1: Tensor) -> Tensor:
    return x_0 - x_1


def flow_target_picture(x_0: Tensor, x_1: Tensor) -> Tensor:
    return x_1


def while_t_is_below_one(num_steps: int) -> list[float]:
    t, times = torch.tensor(0.0), []
    while t < 1:  # in float32, 50 steps of 0.02 end at 0.99999934
        times.append(t.item())
        t = t + 1 / num_steps
    return times


def times_to_the_end(num_steps: int) -> list[float]:
    return [i / (num_steps - 1) for i in range(num_steps)]


def times_one_late(num_steps: int) -> list[float]:
    return [(i + 1) / num_steps for i in range(num_steps)]


def flow_step_backwards(x: Tensor, u: Tensor, num_steps: int) -> Tensor:
    return x - u / num_steps


def flow_step_too_long(x: Tensor, u: Tensor, num_steps: int) -> Tensor:
    return x + u / (num_steps - 1)


def flow_step_of_one(x: Tensor, u: Tensor, num_steps: int) -> Tensor:
    return x + u


# ---- what they make ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pieces:
    """What a student writes. Each has the signature of the right one above."""

    at: Callable = at
    forward: Callable = forward
    noisy_input: Callable = noisy_input
    one_step: Callable = one_step
    clip: Callable = clip
    towards: Callable = towards
    spread: Callable = large_spread
    fresh_noise: Callable = fresh_noise
    guide: Callable = guide
    time_of: Callable = time_of
    ready: Callable = ready
    start: Callable = start
    keep_outside: Callable = keep_outside
    target: Callable = target
    flow_point: Callable = flow_point
    flow_target: Callable = flow_target
    flow_times: Callable = flow_times
    flow_step: Callable = flow_step


@dataclass(frozen=True, eq=False)
class Mistake:
    """name: in links and file names. title: what a learner picks from a list. why: the reason, in a sentence or two.

    wrong: {piece: the function written wrongly, or several of which any one is this mistake}.
    """

    name: str
    title: str
    why: str
    wrong: dict[str, Callable | tuple[Callable, ...]]

    @property
    def functions(self) -> dict[str, tuple[Callable, ...]]:
        return {piece: f if isinstance(f, tuple) else (f,) for piece, f in self.wrong.items()}

    @property
    def pieces(self) -> Pieces:
        """The right pieces, but for this mistake's."""
        return replace(Pieces(), **{piece: f[0] for piece, f in self.functions.items()})


MISTAKES = {
    m.name: m
    for m in (
        # of the formulas
        Mistake(
            "no_sqrt",
            "sqrt left out of alpha_bar",
            "alpha_bar is a variance; pictures are scaled by its square root.",
            {"one_step": one_step_without_sqrt, "forward": (forward_without_sqrt, forward_without_sqrt_of_the_noise)},
        ),
        Mistake(
            "alpha_for_alpha_bar",
            "alpha_t used where alpha_bar_t belongs",
            "alpha_t undoes one timestep, alpha_bar_t all of them at once.",
            {"one_step": one_step_with_alpha, "forward": forward_with_alpha},
        ),
        Mistake(
            "weights_swapped",
            "sqrt(alpha_bar) and sqrt(1 - alpha_bar) change places",
            "sqrt(alpha_bar) belongs to the picture, sqrt(1 - alpha_bar) to the noise.",
            {"one_step": one_step_weights_swapped, "forward": forward_weights_swapped},
        ),
        Mistake(
            "no_noise_added",
            "no noise is added to the picture",
            "x_t is the darker picture and noise: without it the network is asked about a picture that it never saw.",
            {"forward": forward_without_noise},
        ),
        Mistake(
            "index_early",
            "alpha_bar taken one timestep too early",
            "alphas_cumprod[t] belongs to t: do not take 1 from the index.",
            {"at": one_timestep_early},
        ),
        Mistake(
            "index_late",
            "alpha_bar taken one timestep too late",
            "alphas_cumprod[t] belongs to t: do not add 1 to the index.",
            {"at": one_timestep_late},
        ),
        Mistake(
            "not_divided",
            "x0_hat not divided by sqrt(alpha_bar)",
            "What is left after the noise is gone is sqrt(alpha_bar) x0: divide, or the picture stays dark.",
            {"one_step": one_step_not_divided},
        ),
        Mistake(
            "eps_for_x0",
            "eps used where x0_hat belongs",
            "The mean lies between x_t and the clean picture, not between x_t and the noise.",
            {"one_step": eps_for_x0},
        ),
        Mistake(
            "clamped_input",
            "the noisy picture clamped",
            "Noise reaches far outside [-1, 1]; cut off, it is no longer the Gaussian noise that the formulas speak of.",
            {"noisy_input": (clamped_input, input_clamped_to_one)},
        ),
        # of the walk
        Mistake(
            "no_clip",
            "x0_hat not clipped",
            "Under strong guidance x0_hat leaves [-1, 1], and every move carries the excess on.",
            {"clip": no_clip},
        ),
        Mistake(
            "clip_to_one",
            "x0_hat clipped to [0, 1]",
            "Pictures are in [-1, 1] here: clipped to [0, 1], everything darker than grey is lost.",
            {"clip": clip_to_zero_and_one},
        ),
        Mistake(
            "tables_alpha",
            "the table's alpha_t used for alpha_bar_t / alpha_bar_t'",
            "A stride crosses many timesteps at once: its alpha is alpha_bar_t / alpha_bar_t', not scheduler.alphas[t].",
            {"towards": towards_with_the_tables_alpha},
        ),
        Mistake(
            "one_timestep",
            "alpha_bar[t - 1] used for alpha_bar_t'",
            "t' is the next entry of the strided list, not the timestep before t.",
            {"towards": towards_one_timestep},
        ),
        Mistake(
            "no_sqrt_in_mean",
            "sqrt left out of the mean's weights",
            "The mean has sqrt(alpha_bar_t') before x0_hat and sqrt(alpha) before x_t.",
            {"towards": towards_without_sqrt},
        ),
        Mistake(
            "mean_swapped",
            "x0_hat and x_t change places in the mean",
            "sqrt(alpha_bar_t') beta / (1 - alpha_bar_t) belongs to x0_hat, the other weight to x_t.",
            {"towards": towards_swapped},
        ),
        Mistake(
            "xt_forgotten",
            "x_t left out of the mean",
            "The mean lies between x0_hat and x_t: both belong to it.",
            {"towards": towards_forgetting_xt},
        ),
        Mistake(
            "wraps_round",
            "alpha_bars[t - 1] at t = 0 wraps round",
            "Index -1 is the last entry, pure noise. Before t = 0 comes the clean image, and its alpha_bar is 1.",
            {"towards": (towards_wrapping_round, towards_wrapping_round_by_the_table)},
        ),
        Mistake(
            "last_noise",
            "noise added on the last move",
            "The last move lands on the image itself: nothing comes after it to take new noise away.",
            {"fresh_noise": noise_on_every_move},
        ),
        Mistake(
            "no_noise",
            "no noise added on the way",
            "The mean alone is too smooth for its timestep: the network takes what is missing for picture, and smooths on.",
            {"fresh_noise": no_noise},
        ),
        Mistake(
            "one_noise",
            "the same noise added on every move",
            "Noise is drawn anew for every move: added again and again, one pattern grows instead of averaging out.",
            {"fresh_noise": one_noise_for_all},
        ),
        Mistake(
            "variance_for_std",
            "the variance used where the standard deviation belongs",
            "z is multiplied by the standard deviation, the square root of the variance: exp(log_variance / 2), sqrt(beta).",
            {"spread": (large_variance, small_variance, learned_variance)},
        ),
        Mistake(
            "log_variance",
            "the log-variance used as if it were a standard deviation",
            "The learned variance is a logarithm: the standard deviation is exp(log_variance / 2).",
            {"spread": log_variance},
        ),
        Mistake(
            "variance_at_t_prev",
            "the variance asked at t', not at t",
            "The move is from t to t'; the scheduler's _get_variance(t) looks up t' by itself.",
            {"spread": learned_spread_at_t_prev},
        ),
        # of guidance
        Mistake(
            "guidance_sign",
            "the guidance difference turned round",
            "eps_uncond - eps_cond leads away from the prompt.",
            {"guide": guide_backwards},
        ),
        Mistake(
            "guidance_swapped",
            "the two predictions change places in guidance",
            "It is eps_uncond + gamma (eps_cond - eps_uncond): the other way round it goes past the unconditional one.",
            {"guide": guide_with_arguments_swapped},
        ),
        Mistake(
            "guidance_w",
            "(1 + w) eps_cond - w eps_uncond with w = gamma",
            "In that formula w is gamma - 1: with w = 7 the guidance is 8.",
            {"guide": (guide_by_w, guide_from_the_condition)},
        ),
        Mistake(
            "no_guidance",
            "guidance left out",
            "eps_uncond + gamma (eps_cond - eps_uncond) goes into the move, not eps_cond alone.",
            {"guide": no_guidance},
        ),
        Mistake(
            "no_difference",
            "eps_uncond not taken from eps_cond in guidance",
            "gamma multiplies the difference eps_cond - eps_uncond, not eps_cond.",
            {"guide": condition_scaled},
        ),
        # of what the network is told
        Mistake(
            "raw_t",
            "t not divided by T",
            "The network learned t / T between 0 and 1; told 290 it is asked far outside of that.",
            {"time_of": raw_t},
        ),
        Mistake(
            "t_over_last",
            "t divided by T - 1, not by T",
            "The network learned t / T: with T - 1 it is told a little more noise than there is.",
            {"time_of": t_over_the_last},
        ),
        Mistake(
            "training_mode",
            "BatchNorm left in training mode",
            "In training mode BatchNorm measures the batch in view, not the whole training set; call unet.eval().",
            {"ready": left_in_training_mode},
        ),
        # of where a walk begins, and inpainting
        Mistake(
            "start_late",
            "the image noised to the entry after timesteps[i_start]",
            "The walk takes out the noise of timesteps[i_start]; there is less than that in the picture.",
            {"start": start_one_entry_late},
        ),
        Mistake(
            "start_last",
            "the image noised to timesteps[-1]",
            "timesteps[-1] is 0, almost clean: the walk takes noise out of the picture that is not in it.",
            {"start": (start_at_the_last_entry, start_clean)},
        ),
        Mistake(
            "paste_at_t",
            "the original pasted as it is at t, not at t'",
            "After the move the picture is at t'; what is pasted in must carry the noise of t' too.",
            {"keep_outside": keep_outside_at_t},
        ),
        Mistake(
            "mask_inverted",
            "the mask turned round",
            "m = 1 is where new content goes: m x + (1 - m) forward(x_orig, t').",
            {"keep_outside": keep_inside},
        ),
        Mistake(
            "paste_clean",
            "the clean original pasted, without noise",
            "The network expects the noise of t' everywhere, in the kept part too.",
            {"keep_outside": paste_clean},
        ),
        Mistake(
            "paste_everywhere",
            "the original added inside the mask too",
            "Only the part outside the mask is kept: (1 - m) forward(x_orig, t').",
            {"keep_outside": paste_everywhere},
        ),
        Mistake(
            "paste_nothing",
            "the original not pasted after every move",
            "After every move, what lies outside the mask is put back: forward(x_orig, t').",
            {"keep_outside": paste_nothing},
        ),
        # of training and of flow matching
        Mistake(
            "target_x0",
            "the loss compares with the picture, not with the noise",
            "DDPM's network is to say the noise: the loss is |eps - unet(x_t, t)|^2.",
            {"target": target_x0},
        ),
        Mistake(
            "flow_point_backwards",
            "picture and noise change places in x_t",
            "At t = 0 there is only noise, at t = 1 only the picture: (1 - t) x_0 + t x_1.",
            {"flow_point": flow_point_backwards},
        ),
        Mistake(
            "flow_target_backwards",
            "the velocity turned round",
            "The velocity leads from the noise to the picture: x_1 - x_0.",
            {"flow_target": flow_target_backwards, "flow_step": flow_step_backwards},
        ),
        Mistake(
            "flow_target_picture",
            "the loss compares with the picture, not with the velocity",
            "The network is to say the velocity x_1 - x_0.",
            {"flow_target": flow_target_picture},
        ),
        Mistake(
            "one_step_too_many",
            "while t < 1 takes a step too many",
            "Added up in float32, fifty steps of 0.02 end at 0.9999993: a 51st follows. Count the steps with a range.",
            {"flow_times": while_t_is_below_one},
        ),
        Mistake(
            "times_to_the_end",
            "the times run from 0 to 1 with both ends",
            "Euler's step from t uses the velocity at t: the last of n steps begins at (n - 1) / n, not at 1.",
            {"flow_times": times_to_the_end},
        ),
        Mistake(
            "times_late",
            "every time one step too late",
            "Euler's first step begins at t = 0: the times are i / n.",
            {"flow_times": times_one_late},
        ),
        Mistake(
            "step_too_long",
            "a step of 1 / (n - 1), not of 1 / n",
            "n steps of 1 / n go from 0 to 1; n steps of 1 / (n - 1) go past the picture.",
            {"flow_step": flow_step_too_long},
        ),
        Mistake(
            "whole_steps",
            "the velocity added whole, not divided by the number of steps",
            "A step of n is x + u / n.",
            {"flow_step": flow_step_of_one},
        ),
    )
}
