"""Every coefficient is a table made before the loop; recursion for a loop; noise for all moves drawn at once or from a distribution."""

import numpy as np
import torch

stage_1 = None
alphas_cumprod = None


class Forward:
    """An object that is called."""

    def __call__(self, im, t):
        normal = torch.distributions.Normal(torch.zeros_like(im), torch.ones_like(im))
        return stage_1.scheduler.add_noise(im, normal.sample(), torch.tensor([t]))


forward = Forward()


def one_step_denoise(im_noisy, prompt_embeds, t):
    abar = np.asarray(alphas_cumprod)
    recip, recipm1 = np.sqrt(1 / abar), np.sqrt(1 / abar - 1)
    eps = stage_1.unet(im_noisy, t, prompt_embeds)[0] if False else stage_1.unet(im_noisy, t, prompt_embeds).sample[:, :3]
    return float(recip[t]) * im_noisy - float(recipm1[t]) * eps


def tables(timesteps):
    abar = np.asarray(alphas_cumprod, np.float64)[np.asarray(timesteps)]
    alpha = abar[:-1] / abar[1:]
    of_x0 = np.sqrt(abar[1:]) * (1 - alpha) / (1 - abar[:-1])
    of_xt = np.sqrt(alpha) * (1 - abar[1:]) / (1 - abar[:-1])
    low = np.log((1 - abar[1:]) / (1 - abar[:-1]) * (1 - alpha))
    return abar, of_x0, of_xt, low, np.log(1 - alpha)


def go(x, i, timesteps, ask, table):
    if i == len(timesteps) - 1:
        return x
    abar, of_x0, of_xt, low, high = table
    eps, v = ask(x, timesteps[i])
    x0 = (x - (1 - abar[i]) ** 0.5 * eps) / abar[i] ** 0.5
    share = v.double() / 2 + 0.5
    std = torch.exp((share * high[i] + (1 - share) * low[i]) / 2).float()
    return go(float(of_x0[i]) * x0 + float(of_xt[i]) * x + std * torch.randn(*x.shape), i + 1, timesteps, ask, table)


@torch.no_grad()
def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):
    def ask(x, t):
        return stage_1.unet(x, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0].tensor_split(2, dim=1)

    return go(im_noisy, i_start, timesteps, ask, tables(timesteps))


@torch.no_grad()
def iterative_denoise_cfg(im_noisy, i_start, prompt_embeds, uncond_prompt_embeds, timesteps, scale):
    def ask(x, t):
        u, c = stage_1.unet(
            torch.cat((x, x)), t, encoder_hidden_states=torch.cat((uncond_prompt_embeds, prompt_embeds)), return_dict=False
        )[0]
        return (u[:3] + scale * (c[:3] - u[:3]))[None], c[None, 3:]

    return go(im_noisy, i_start, timesteps, ask, tables(timesteps))


@torch.no_grad()
def inpaint(original_image, mask, prompt_embeds, uncond_prompt_embeds, timesteps, scale):
    abar, of_x0, of_xt, low, high = tables(timesteps)
    x = torch.randn_like(original_image)
    for i, t in enumerate(timesteps[:-1]):
        torch.randn_like(x)  # left from an earlier try
        z, kept = torch.randn_like(x), torch.randn_like(x)
        u = stage_1.unet(x, t, encoder_hidden_states=uncond_prompt_embeds).sample
        c = stage_1.unet(x, t, encoder_hidden_states=prompt_embeds).sample
        eps, v = u[:, :3] + scale * (c[:, :3] - u[:, :3]), c[:, 3:]
        x0 = ((x - (1 - abar[i]) ** 0.5 * eps) / abar[i] ** 0.5).clip(-1, 1)
        std = torch.exp(0.5 * (low[i] + (v + 1) / 2 * (high[i] - low[i])))
        x = of_x0[i] * x0 + of_xt[i] * x + std * z
        x = x * mask + (1 - mask) * (abar[i + 1] ** 0.5 * original_image + (1 - abar[i + 1]) ** 0.5 * kept)
    return x


class DDPM(torch.nn.Module):
    def __init__(self, beta1, beta2, num_ts):
        super().__init__()
        self.register_buffer("betas", torch.linspace(beta1, beta2, num_ts))
        self.register_buffer("abar", (1 - self.betas).cumprod(0))


def ddpm_schedule(beta1, beta2, num_ts):
    return DDPM(beta1, beta2, num_ts)


def ddpm_forward(unet, schedule, x, c, p_uncond, num_ts):
    t = torch.randint(num_ts, (len(x),))
    eps = torch.randn_like(x)
    a = schedule.abar[t][:, None, None, None]
    return torch.nn.functional.mse_loss(
        eps, unet(a**0.5 * x + (1 - a) ** 0.5 * eps, c, t / num_ts, torch.rand(len(x)) > p_uncond)
    ), t


@torch.no_grad()
def ddpm_sample(unet, schedule, image_size, num_ts, seed):
    unet.train(False)
    noises = [torch.randn(3, 1, *image_size) for _ in range(num_ts)]
    x = noises.pop()
    for t in range(num_ts)[::-1]:
        abar, before = schedule.abar[t], schedule.abar[t - 1] if t else torch.ones(())
        x0 = (x - (1 - abar) ** 0.5 * unet(x, torch.tensor([t / num_ts] * 3))) / abar**0.5
        beta = schedule.betas[t]
        x = (before**0.5 * beta * x0 + (1 - beta) ** 0.5 * (1 - before) * x) / (1 - abar)
        x = x + beta**0.5 * torch.randn_like(x) if t else x
    return x
