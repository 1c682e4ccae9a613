"""x0_hat clipped, the learned variance written out by hand, no noise on the last move."""

import torch


def x0_from(x, t, eps):
    a = alphas_cumprod[t]
    return ((x - (1 - a) ** 0.5 * eps) / a**0.5).clamp(-1, 1)


def step(x, eps, v, t, t_prev, last):
    a, b = alphas_cumprod[t], alphas_cumprod[t_prev]
    beta = 1 - a / b
    mean = b**0.5 * beta / (1 - a) * x0_from(x, t, eps) + (a / b) ** 0.5 * (1 - b) / (1 - a) * x
    if last:
        return mean
    small = (beta * (1 - b) / (1 - a)).clamp(min=1e-20)
    f = (v + 1) / 2
    log_var = f * beta.log() + (1 - f) * small.log()
    return mean + (log_var / 2).exp() * torch.randn_like(x)


@torch.no_grad()
def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):
    x = im_noisy
    steps = timesteps[i_start:]
    for k, (t, t_prev) in enumerate(zip(steps[:-1], steps[1:])):
        eps, v = stage_1.unet(x, t, encoder_hidden_states=prompt_embeds).sample.chunk(2, dim=1)
        x = step(x, eps, v, t, t_prev, last=k == len(steps) - 2)
    return x


@torch.no_grad()
def iterative_denoise_cfg(im_noisy, i_start, prompt_embeds, uncond_prompt_embeds, timesteps, scale=7):
    x = im_noisy
    steps = timesteps[i_start:]
    for k, (t, t_prev) in enumerate(zip(steps[:-1], steps[1:])):
        eps_u, _ = stage_1.unet(x, t, encoder_hidden_states=uncond_prompt_embeds).sample.chunk(2, dim=1)
        eps_c, v = stage_1.unet(x, t, encoder_hidden_states=prompt_embeds).sample.chunk(2, dim=1)
        x = step(x, (1 - scale) * eps_u + scale * eps_c, v, t, t_prev, last=k == len(steps) - 2)
    return x
