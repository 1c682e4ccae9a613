"""Two mistakes in one walk."""

import torch

EXPECT = {"class_fm_sample": ["times_late", "guidance_w"]}


@torch.inference_mode()
def class_fm_sample(unet, c, img_wh, num_ts, guidance_scale=5.0, seed=0):
    unet.eval()
    x = torch.randn(len(c), 1, *img_wh)
    for i in range(1, num_ts + 1):
        t = torch.full((len(c),), i / num_ts)
        u_c, u_u = unet(x, c, t, torch.ones(len(c))), unet(x, c, t, torch.zeros(len(c)))
        x = x + ((1 + guidance_scale) * u_c - guidance_scale * u_u) / num_ts
    return x
