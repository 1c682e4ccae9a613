"""The class pushes away; the network is told 1 - t."""

import torch

EXPECT = {"class_fm_sample": ["guidance_sign"], "class_fm_forward": ["flow_point_backwards"]}


def class_fm_sample(unet, c, img_wh, num_ts=50, guidance_scale=5.0):
    unet.eval()
    x = torch.randn(len(c), 1, *img_wh)
    for i in range(num_ts):
        t = torch.full((len(c),), i / num_ts)
        u, v = unet(x, c, t, torch.zeros(len(c))), unet(x, c, t, torch.ones(len(c)))
        x = x + (u + guidance_scale * (u - v)) / num_ts
    return x


def class_fm_forward(unet, x_1, c, p_uncond, num_ts):
    t = torch.rand(len(x_1))
    x_0 = torch.randn_like(x_1)
    s = t.view(-1, 1, 1, 1)
    return ((unet((1 - s) * x_0 + s * x_1, c, 1 - t, torch.ones(len(t))) - (x_1 - x_0)) ** 2).mean()
