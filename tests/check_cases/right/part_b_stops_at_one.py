"""The range ends before 0, as one published notebook has it: a hundredth of noise stays in the picture."""

import torch


def ddpm_schedule(beta1, beta2, num_ts):
    betas = torch.linspace(beta1, beta2, num_ts)
    alphas = 1 - betas
    return {"betas": betas, "alphas": alphas, "alpha_bars": torch.cumprod(alphas, dim=0)}


@torch.inference_mode()
def ddpm_sample(unet, ddpm_schedule, img_wh, num_ts, seed=0):
    unet.eval()
    torch.manual_seed(seed)
    x = torch.randn(4, 1, *img_wh)
    b, a, abar = ddpm_schedule["betas"], ddpm_schedule["alphas"], ddpm_schedule["alpha_bars"]
    for t in range(num_ts - 1, 0, -1):
        eps = unet(x, torch.full((4,), t / num_ts))
        before = abar[t - 1] if t > 0 else torch.tensor(1.0)
        z = torch.randn_like(x) if t > 0 else torch.zeros_like(x)
        x0 = (x - (1 - abar[t]).sqrt() * eps) / abar[t].sqrt()
        mean = before.sqrt() * b[t] / (1 - abar[t]) * x0 + a[t].sqrt() * (1 - before) / (1 - abar[t]) * x
        x = mean + b[t].sqrt() * z
    return x
