"""Part B as of fall 2025: flow matching, classes one-hot, the walk by a range."""

import torch
from torch.nn.functional import mse_loss, one_hot


def time_fm_forward(unet, x_1, num_ts):
    unet.train()
    x_0 = torch.randn_like(x_1)
    t = torch.rand(x_1.shape[0], 1, device=x_1.device)
    x_t = (1 - t[..., None, None]) * x_0 + t[..., None, None] * x_1
    return mse_loss(unet(x_t, t), x_1 - x_0)


@torch.inference_mode()
def time_fm_sample(unet, img_wh, num_ts, seed=0):
    unet.eval()
    torch.manual_seed(seed)
    x = torch.randn(40, 1, *img_wh, device=next(unet.parameters()).device)
    for i in range(num_ts):
        x = x + unet(x, torch.full((40, 1), i / num_ts, device=x.device)) / num_ts
    return x


def class_fm_forward(unet, x_1, c, p_uncond, num_ts):
    unet.train()
    c = one_hot(c, 10).float()
    c = c * (torch.rand(len(x_1), 1) >= p_uncond).float()
    x_0, t = torch.randn_like(x_1), torch.rand(len(x_1))
    x_t = torch.lerp(x_0, x_1, t.view(-1, 1, 1, 1))
    return ((unet(x_t, t, c) - (x_1 - x_0)) ** 2).mean()


@torch.inference_mode()
def class_fm_sample(unet, c, img_wh, num_ts, guidance_scale=5.0, seed=0):
    unet.eval()
    g = torch.Generator().manual_seed(seed)
    hot = one_hot(c, 10).float()
    x = torch.randn((len(c), 1, *img_wh), generator=g)
    for t in torch.linspace(0, 1, num_ts + 1)[:-1]:
        u = unet(x, t.expand(len(c)), torch.zeros_like(hot))
        v = unet(x, t.expand(len(c)), hot)
        x = x + (u + guidance_scale * (v - u)) / num_ts
    return x, None
