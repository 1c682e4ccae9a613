"""No noise on the last two moves."""

import torch

EXPECT = {"ddpm_sample": []}
SAYS = {"ddpm_sample": "The first 298 moves agree. From t = 1 to 0"}


def ddpm_schedule(beta1, beta2, num_ts):
    b = torch.linspace(beta1, beta2, num_ts)
    return b, 1 - b, (1 - b).cumprod(0)


@torch.no_grad()
def ddpm_sample(unet, ddpm_schedule, img_wh, num_ts):
    unet.eval()
    x = torch.randn(4, 1, *img_wh)
    b, a, abar = ddpm_schedule
    for t in range(num_ts - 1, -1, -1):
        eps = unet(x, torch.full((4,), t / num_ts))
        x = (x - b[t] / (1 - abar[t]).sqrt() * eps) / a[t].sqrt()
        if t > 1:
            x = x + b[t].sqrt() * torch.randn_like(x)
    return x
