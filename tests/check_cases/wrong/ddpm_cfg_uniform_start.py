"""The walk begins with torch.rand."""

import torch

EXPECT = {"ddpm_cfg_sample": ["start"]}


def ddpm_schedule(beta1, beta2, num_ts):
    betas = torch.linspace(beta1, beta2, num_ts)
    alphas = 1 - betas
    return {"betas": betas, "alphas": alphas, "alpha_bars": torch.cumprod(alphas, dim=0)}


@torch.inference_mode()
def ddpm_cfg_sample(unet, ddpm_schedule, c, img_wh, num_ts, guidance_scale=5.0, seed=0):
    unet.eval()
    n = c.shape[0]
    x = torch.rand(n, 1, *img_wh)
    b, a, abar = ddpm_schedule["betas"], ddpm_schedule["alphas"], ddpm_schedule["alpha_bars"]
    for t in reversed(range(num_ts)):
        time = torch.full((n, 1), t / num_ts)
        cond, uncond = unet(x, c, time, torch.ones(n)), unet(x, c, time, torch.zeros(n))
        eps = uncond + guidance_scale * (cond - uncond)
        x = (x - b[t] / (1 - abar[t]).sqrt() * eps) / a[t].sqrt()
        x = x + b[t].sqrt() * torch.randn_like(x) if t > 0 else x
    return x
