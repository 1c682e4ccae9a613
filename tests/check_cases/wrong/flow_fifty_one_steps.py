"""while t < 1, in float32."""

import torch

EXPECT = {"time_fm_sample": ["one_step_too_many"]}


@torch.inference_mode()
def time_fm_sample(unet, img_wh, num_ts, seed=0):
    unet.eval()
    x = torch.randn(10, 1, *img_wh)
    t = torch.zeros(1)
    dt = 1 / num_ts
    while t < 1:
        x = x + dt * unet(x, t.expand(10))
        t = t + dt
    return x
