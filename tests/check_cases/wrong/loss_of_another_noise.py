"""The noise of the loss is not the noise in x_t."""

import torch

EXPECT = {"time_fm_forward": ["another_noise"], "ddpm_forward": ["another_noise"]}
SAYS = {"ddpm_forward": "drawn anew"}


def time_fm_forward(unet, x_1, num_ts):
    t = torch.rand(len(x_1), 1, 1, 1)
    x_t = (1 - t) * torch.randn_like(x_1) + t * x_1
    return torch.nn.functional.mse_loss(unet(x_t, t), x_1 - torch.randn_like(x_1))


def ddpm_schedule(beta1, beta2, num_ts):
    b = torch.linspace(beta1, beta2, num_ts)
    return b, 1 - b, (1 - b).cumprod(0)


def ddpm_forward(unet, ddpm_schedule, x_0, c, p_uncond, num_ts):
    t = torch.randint(0, num_ts, (len(x_0),))
    a = ddpm_schedule[2][t].view(-1, 1, 1, 1)
    x_t = a.sqrt() * x_0 + (1 - a).sqrt() * torch.randn_like(x_0)
    return torch.nn.functional.mse_loss(unet(x_t, c, t / num_ts, None), torch.randn_like(x_0))
