"""t told as it is."""

import torch
from torch.nn import functional as F

EXPECT = {"ddpm_forward": ["raw_t"]}


def ddpm_schedule(beta1, beta2, num_ts):
    betas = torch.linspace(beta1, beta2, num_ts)
    alphas = 1 - betas
    return {"betas": betas, "alphas": alphas, "alpha_bars": torch.cumprod(alphas, dim=0)}


def ddpm_forward(unet, ddpm_schedule, x_0, num_ts):
    unet.train()
    t = torch.randint(0, num_ts, (x_0.shape[0],))
    eps = torch.randn_like(x_0)
    abar = ddpm_schedule["alpha_bars"][t].view(-1, 1, 1, 1)
    x_t = abar.sqrt() * x_0 + (1 - abar).sqrt() * eps
    return F.mse_loss(unet(x_t, t.float()), eps)
