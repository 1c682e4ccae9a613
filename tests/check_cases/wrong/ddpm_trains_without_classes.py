"""The mask keeps one class in ten."""

import torch
from torch.nn import functional as F

EXPECT = {"ddpm_forward": ["mostly_dropped"]}
SAYS = {"ddpm_forward": "most digits go without their class"}


def ddpm_schedule(beta1, beta2, num_ts):
    b = torch.linspace(beta1, beta2, num_ts)
    return b, 1 - b, (1 - b).cumprod(0)


def ddpm_forward(unet, ddpm_schedule, x_0, c, p_uncond, num_ts):
    t = torch.randint(0, num_ts, (len(x_0),))
    a = ddpm_schedule[2][t].view(-1, 1, 1, 1)
    eps = torch.randn_like(x_0)
    mask = (torch.rand(len(x_0)) < p_uncond).float()
    return F.mse_loss(unet(a.sqrt() * x_0 + (1 - a).sqrt() * eps, c, t / num_ts, mask), eps)
