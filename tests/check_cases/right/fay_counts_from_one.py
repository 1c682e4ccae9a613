"""Tables with an entry for the clean image, class 10 for none, the unet asked by name, frames channels last in numpy."""

import numpy as np
import torch

stage_1 = None


@torch.no_grad()
def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):
    dev, dt = stage_1.device, stage_1.unet.dtype
    ac = stage_1.scheduler.alphas_cumprod.to(dev)
    x = im_noisy.to(dev, dt)
    steps = list(map(int, timesteps[i_start:]))
    saved = []
    while len(steps) > 1:
        t = steps.pop(0)
        a, b = ac[t], ac[steps[0]]
        out = stage_1.unet(
            sample=x, timestep=torch.tensor([t], device=dev), encoder_hidden_states=prompt_embeds, class_labels=None
        ).sample
        eps, v = out[:, :3], out[:, 3:]
        x0 = (x - (1 - a).sqrt() * eps) / a.sqrt()
        mean = b.sqrt() * (1 - a / b) / (1 - a) * x0 + (a / b).sqrt() * (1 - b) / (1 - a) * x
        var = stage_1.scheduler._get_variance(torch.tensor(t), predicted_variance=v)
        x = mean + torch.exp(0.5 * var) * torch.randn(x.shape, generator=torch.Generator().manual_seed(t))
        saved.append(x.squeeze(0).permute(1, 2, 0).numpy())
    return np.stack(saved)


def ddpm_schedule(beta1, beta2, num_ts):
    betas = torch.cat([torch.zeros(1), torch.linspace(beta1, beta2, num_ts)])
    return {"betas": betas, "alphas": 1 - betas, "alpha_bars": (1 - betas).cumprod(0)}


def ddpm_forward(unet, ddpm_schedule, x_0, c, p_uncond, num_ts):
    unet.train()
    n = len(x_0)
    t = torch.randint(1, num_ts + 1, (n,))
    drop = torch.rand(n) < p_uncond
    c = torch.where(drop, 10, c)
    a = ddpm_schedule["alpha_bars"][t][:, None, None, None]
    eps = torch.randn_like(x_0)
    return torch.nn.functional.mse_loss(unet(a.sqrt() * (2 * x_0 - 1) + (1 - a).sqrt() * eps, c, t / num_ts), eps)


@torch.no_grad()
def ddpm_cfg_sample(unet, ddpm_schedule, c, img_wh, num_ts, guidance_scale=5.0, seed=0):
    unet.eval()
    n = len(c)
    x = torch.randn(n, 1, *img_wh)
    both = torch.cat([torch.full_like(c, 10), c])
    for t in range(num_ts, 0, -1):
        u, k = unet(torch.cat([x, x]), both, torch.full((2 * n,), t / num_ts)).chunk(2)
        eps = torch.lerp(u, k, guidance_scale)
        b, a, ab, before = (
            ddpm_schedule[n_][i] for n_, i in (("betas", t), ("alphas", t), ("alpha_bars", t), ("alpha_bars", t - 1))
        )
        x0 = (x - (1 - ab).sqrt() * eps) / ab.sqrt()
        x = before.sqrt() * b / (1 - ab) * x0 + a.sqrt() * (1 - before) / (1 - ab) * x
        x += b.sqrt() * torch.randn_like(x) if t > 1 else 0
    grid = (x + 1) / 2
    return grid.clamp(0, 1).squeeze(1).cpu().numpy()


def time_fm_forward(unet, x_1, num_ts):
    n = x_1.shape[0]
    t = torch.randint(0, num_ts, (n,)) / num_ts
    x_0 = torch.randn_like(x_1)
    s = t.reshape(n, 1, 1, 1)
    target = x_1 - x_0
    return torch.nn.functional.mse_loss(unet(x_0 + s * target, t[:, None]), target)
