"""As one published notebook has it: alpha_bar takes the picture's own float16 before anything is computed with it."""

import torch


def iterative_denoise_cfg(im_noisy, i_start, prompt_embeds, uncond_prompt_embeds, timesteps, scale=7, display=True):
    image = im_noisy.half()
    with torch.no_grad():
        for i in range(i_start, len(timesteps) - 1):
            t, prev_t = timesteps[i], timesteps[i + 1]
            at = alphas_cumprod[t].view(1, 1, 1, 1).to(image.device, dtype=image.dtype)
            ap = alphas_cumprod[prev_t].view(1, 1, 1, 1).to(image.device, dtype=image.dtype)
            alpha = at / ap
            beta = 1 - alpha
            n_c, v = stage_1.unet(image, t, encoder_hidden_states=prompt_embeds.half(), return_dict=False)[0].split(3, 1)
            n_u, _ = stage_1.unet(image, t, encoder_hidden_states=uncond_prompt_embeds.half(), return_dict=False)[0].split(3, 1)
            n = n_u + scale * (n_c - n_u)
            x_0 = (image - (1 - at).sqrt() * n) / at.sqrt()
            image = ap.sqrt() * beta / (1 - at) * x_0 + alpha.sqrt() * (1 - ap) / (1 - at) * image
            var = stage_1.scheduler._get_variance(t, predicted_variance=v)
            image = image + torch.exp(0.5 * var) * torch.randn_like(image)
    return image.float().cpu()
