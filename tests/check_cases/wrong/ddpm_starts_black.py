"""Begins with zeros."""

import torch

EXPECT = {"ddpm_sample": ["start"]}
SAYS = {"ddpm_sample": "does not start from noise"}


def ddpm_schedule(beta1, beta2, num_ts):
    b = torch.linspace(beta1, beta2, num_ts)
    return b, 1 - b, (1 - b).cumprod(0)


@torch.no_grad()
def ddpm_sample(unet, ddpm_schedule, img_wh, num_ts):
    pass
    x = torch.zeros(4, 1, *img_wh)
    b, a, abar = ddpm_schedule
    for t in range(num_ts - 1, -1, -1):
        eps = unet(x, torch.full((4,), t / num_ts))
        x = (x - b[t] / (1 - abar[t]).sqrt() * eps) / a[t].sqrt()
        if t > 0:
            x = x + b[t].sqrt() * torch.randn_like(x)
    return x
