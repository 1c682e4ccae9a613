"""float64, the posterior's own variance, the noise from torch.normal, the result brought to [0, 1] for showing."""

import torch


def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):
    image = im_noisy.double()
    abar = alphas_cumprod.double()
    for i in range(i_start, len(timesteps) - 1):
        t, u = timesteps[i], timesteps[i + 1]
        alpha = abar[t] / abar[u]
        eps = stage_1.unet(image, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0][:, :3]
        x0 = ((image - (1 - abar[t]).sqrt() * eps) / abar[t].sqrt()).clamp(-1, 1)
        mean = abar[u].sqrt() * (1 - alpha) / (1 - abar[t]) * x0 + alpha.sqrt() * (1 - abar[u]) / (1 - abar[t]) * image
        std = ((1 - alpha) * (1 - abar[u]) / (1 - abar[t])).sqrt()
        image = mean + std * torch.normal(0.0, 1.0, image.shape)
    return ((image + 1) / 2).clamp(0, 1)
