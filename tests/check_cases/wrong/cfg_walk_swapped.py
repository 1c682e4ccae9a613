"""The predictions in each other's place."""

import torch

EXPECT = {"iterative_denoise_cfg": ["guidance_swapped"]}


def iterative_denoise_cfg(im_noisy, i_start, prompt_embeds, uncond_prompt_embeds, timesteps, scale=7):
    image = im_noisy
    with torch.no_grad():
        for i in range(i_start, len(timesteps) - 1):
            t, prev_t = timesteps[i], timesteps[i + 1]
            abar, abar_prev = alphas_cumprod[t], alphas_cumprod[prev_t]
            alpha = abar / abar_prev
            beta = 1 - alpha
            out = stage_1.unet(image, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0]
            uncond_out = stage_1.unet(image, t, encoder_hidden_states=uncond_prompt_embeds, return_dict=False)[0]
            eps_c, v = torch.split(out, 3, dim=1)
            eps_u, _ = torch.split(uncond_out, 3, dim=1)
            eps = eps_c + scale * (eps_u - eps_c)
            x0 = (image - torch.sqrt(1 - abar) * eps) / torch.sqrt(abar)
            image = torch.sqrt(abar_prev) * beta / (1 - abar) * x0 + torch.sqrt(alpha) * (1 - abar_prev) / (1 - abar) * image
            image = image + torch.exp(0.5 * stage_1.scheduler._get_variance(t, v)) * torch.randn_like(image)
    return image
