"""The course's notebook, filled in: one function a section, the helper adds noise on every move, x0_hat is not clipped."""

import torch


def forward(im, t):
    with torch.no_grad():
        alpha_cumprod = alphas_cumprod[t]
        noise = torch.randn_like(im)
        im_noisy = torch.sqrt(alpha_cumprod) * im + torch.sqrt(1 - alpha_cumprod) * noise
    return im_noisy


def add_variance(predicted_variance, t, image):
    log_variance = stage_1.scheduler._get_variance(t, predicted_variance=predicted_variance)
    return image + torch.exp(0.5 * log_variance) * torch.randn_like(image)


def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps, display=True):
    image = im_noisy
    with torch.no_grad():
        for i in range(i_start, len(timesteps) - 1):
            t = timesteps[i]
            prev_t = timesteps[i + 1]
            abar = alphas_cumprod[t]
            abar_prev = alphas_cumprod[prev_t]
            alpha = abar / abar_prev
            beta = 1 - alpha
            out = stage_1.unet(image, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0]
            noise_est, predicted_variance = torch.split(out, image.shape[1], dim=1)
            x0 = (image - torch.sqrt(1 - abar) * noise_est) / torch.sqrt(abar)
            image = torch.sqrt(abar_prev) * beta / (1 - abar) * x0 + torch.sqrt(alpha) * (1 - abar_prev) / (1 - abar) * image
            image = add_variance(predicted_variance, t, image)
            if display and i % 5 == 0:
                raise RuntimeError("plots are not for a check")
    return image.cpu().detach().numpy()


def iterative_denoise_cfg(im_noisy, i_start, prompt_embeds, uncond_prompt_embeds, timesteps, scale=7, display=True):
    image = im_noisy
    with torch.no_grad():
        for i in range(i_start, len(timesteps) - 1):
            t = timesteps[i]
            prev_t = timesteps[i + 1]
            abar, abar_prev = alphas_cumprod[t], alphas_cumprod[prev_t]
            alpha = abar / abar_prev
            beta = 1 - alpha
            out = stage_1.unet(image, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0]
            uncond_out = stage_1.unet(image, t, encoder_hidden_states=uncond_prompt_embeds, return_dict=False)[0]
            noise_est, predicted_variance = torch.split(out, image.shape[1], dim=1)
            uncond_noise_est, _ = torch.split(uncond_out, image.shape[1], dim=1)
            cfg_noise_est = uncond_noise_est + scale * (noise_est - uncond_noise_est)
            x0 = (image - torch.sqrt(1 - abar) * cfg_noise_est) / torch.sqrt(abar)
            image = torch.sqrt(abar_prev) * beta / (1 - abar) * x0 + torch.sqrt(alpha) * (1 - abar_prev) / (1 - abar) * image
            image = add_variance(predicted_variance, t, image)
    return image.cpu().detach().numpy()


def inpaint(original_image, mask, prompt_embeds, uncond_prompt_embeds, timesteps, scale=7, display=True):
    image = torch.randn_like(original_image)
    with torch.no_grad():
        for i in range(len(timesteps) - 1):
            t = timesteps[i]
            prev_t = timesteps[i + 1]
            abar, abar_prev = alphas_cumprod[t], alphas_cumprod[prev_t]
            alpha = abar / abar_prev
            beta = 1 - alpha
            out = stage_1.unet(image, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0]
            uncond_out = stage_1.unet(image, t, encoder_hidden_states=uncond_prompt_embeds, return_dict=False)[0]
            noise_est, predicted_variance = torch.split(out, image.shape[1], dim=1)
            uncond_noise_est, _ = torch.split(uncond_out, image.shape[1], dim=1)
            eps = uncond_noise_est + scale * (noise_est - uncond_noise_est)
            x0 = (image - torch.sqrt(1 - abar) * eps) / torch.sqrt(abar)
            image = torch.sqrt(abar_prev) * beta / (1 - abar) * x0 + torch.sqrt(alpha) * (1 - abar_prev) / (1 - abar) * image
            image = add_variance(predicted_variance, t, image)
            image = mask * image + (1 - mask) * forward(original_image, prev_t)
    return image.cpu().detach().numpy()
