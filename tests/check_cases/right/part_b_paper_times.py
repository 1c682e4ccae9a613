"""Part B with the paper's t = 1 .. T: tables with an entry 0 for the clean image, digits taken to [-1, 1], one batch of both."""

import torch


def ddpm_schedule(beta1, beta2, num_ts):
    betas = torch.cat([torch.zeros(1), torch.linspace(beta1, beta2, num_ts)])
    return betas, (1 - betas).cumprod(0)


def ddpm_forward(unet, ddpm_schedule, x_0, num_ts):
    x = 2 * x_0 - 1
    t = torch.randint(1, num_ts + 1, (len(x),))
    abar = ddpm_schedule[1][t][:, None, None, None]
    noise = torch.randn(x.shape)
    guess = unet(abar.sqrt() * x + (1 - abar).sqrt() * noise, (t / num_ts)[:, None])
    return ((guess - noise) ** 2).mean()


@torch.no_grad()
def ddpm_cfg_sample(unet, ddpm_schedule, c, img_wh, num_ts, guidance_scale=5.0):
    unet.eval()
    betas, abar = ddpm_schedule
    n = len(c)
    hot = torch.nn.functional.one_hot(c, 10).float()
    both = torch.cat([hot, torch.zeros_like(hot)])
    x = torch.randn(n, 1, *img_wh)
    for t in range(num_ts, 0, -1):
        time = torch.full((2 * n,), t / num_ts)
        yes, no = unet(torch.cat([x, x]), time, both).chunk(2)
        eps = no + guidance_scale * (yes - no)
        x0 = ((x - (1 - abar[t]).sqrt() * eps) / abar[t].sqrt()).clamp(-1, 1)
        mean = abar[t - 1].sqrt() * betas[t] / (1 - abar[t]) * x0 + (1 - betas[t]).sqrt() * (1 - abar[t - 1]) / (1 - abar[t]) * x
        std = (betas[t] * (1 - abar[t - 1]) / (1 - abar[t])).sqrt()
        x = mean + std * torch.randn_like(x) if t > 1 else mean
    return x
