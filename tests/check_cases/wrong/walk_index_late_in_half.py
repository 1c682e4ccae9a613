"""float16 and a table read one entry late in x0."""

import torch

EXPECT = {"iterative_denoise": ["index_late"]}


def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):
    image = im_noisy.half()
    with torch.no_grad():
        for i in range(i_start, len(timesteps) - 1):
            t, prev_t = timesteps[i], timesteps[i + 1]
            abar, abar_prev = alphas_cumprod[t], alphas_cumprod[prev_t]
            alpha = abar / abar_prev
            beta = 1 - alpha
            out = stage_1.unet(image, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0]
            noise_est, variance = torch.split(out, 3, dim=1)
            x0 = (image - (1 - alphas_cumprod[t + 1]).sqrt() * noise_est) / alphas_cumprod[t + 1].sqrt()
            image = (
                torch.sqrt(abar_prev) * beta / (1 - abar) * x0 + torch.sqrt(alpha) * (1 - abar_prev) / (1 - abar) * image
            ).half()
            image = image + torch.exp(0.5 * stage_1.scheduler._get_variance(t, variance)) * torch.randn_like(image)
    return image.cpu().numpy()
