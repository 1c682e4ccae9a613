"""From the picture's end of the road."""

import torch

EXPECT = {"time_fm_sample": ["timesteps"]}


@torch.inference_mode()
def time_fm_sample(unet, img_wh, num_ts, seed=0):
    unet.eval()
    x = torch.randn(1, 1, *img_wh)
    for i in range(num_ts, 0, -1):
        x = x - unet(x, torch.full((1,), i / num_ts)) / num_ts
    return x
