"""One picture of (3, 64, 64); the batch is made for the network alone."""

import torch


def forward(im, t):
    c, h, w = im.shape
    return alphas_cumprod[t] ** 0.5 * im + (1 - alphas_cumprod[t]) ** 0.5 * torch.randn(c, h, w)


@torch.no_grad()
def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):
    image = im_noisy
    for i in range(i_start, len(timesteps) - 1):
        t, prev = timesteps[i], timesteps[i + 1]
        a, ap = alphas_cumprod[t], alphas_cumprod[prev]
        alpha, beta = a / ap, 1 - a / ap
        pred = stage_1.unet(image[None], t, encoder_hidden_states=prompt_embeds, return_dict=False)[0][0]
        eps, v = pred[:3], pred[3:]
        clean = (image - (1 - a).sqrt() * eps) / a.sqrt()
        image = ap.sqrt() * beta / (1 - a) * clean + alpha.sqrt() * (1 - ap) / (1 - a) * image
        image = image + torch.exp(0.5 * stage_1.scheduler._get_variance(t, v)) * torch.randn_like(image)
    return image
