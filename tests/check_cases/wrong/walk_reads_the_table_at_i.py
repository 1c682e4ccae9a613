"""alphas_cumprod[i], the loop's index."""

import torch

EXPECT = {"iterative_denoise": ["table_at_index"]}
SAYS = {"iterative_denoise": "timesteps[i]"}
stage_1 = None


def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):
    image = im_noisy
    for i in range(i_start, len(timesteps) - 1):
        t = timesteps[i]
        abar, abar_prev = alphas_cumprod[i], alphas_cumprod[i + 1]
        alpha, beta = abar / abar_prev, 1 - abar / abar_prev
        with torch.no_grad():
            eps, v = stage_1.unet(image, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0].split(3, dim=1)
        x0 = (image - (1 - abar).sqrt() * eps) / abar.sqrt()
        image = abar_prev.sqrt() * beta / (1 - abar) * x0 + alpha.sqrt() * (1 - abar_prev) / (1 - abar) * image
        image = image + torch.exp(0.5 * stage_1.scheduler._get_variance(t, v)) * torch.randn_like(image)
    return image
