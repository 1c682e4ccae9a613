"""Methods of an object that holds the model; the terms of the mean computed in place."""

import torch


class Sampler:
    def __init__(self, pipe):
        self.stage_1 = pipe
        self.alphas_cumprod = None if pipe is None else pipe.scheduler.alphas_cumprod

    def forward(self, image, t):
        a = self.alphas_cumprod[t]
        noisy = torch.randn_like(image)
        noisy *= torch.sqrt(1 - a)
        noisy += torch.sqrt(a) * image
        return noisy

    def one_step_denoise(self, im_noisy, prompt_embeds, t):
        eps = self.stage_1.unet(im_noisy, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0][:, :3]
        a = self.alphas_cumprod[t.item()]
        return (im_noisy - torch.sqrt(1 - a) * eps.cuda()) / torch.sqrt(a)

    def add_variance(self, predicted, t, image):
        return image + torch.exp(0.5 * self.stage_1.scheduler._get_variance(t, predicted_variance=predicted)) * torch.randn_like(
            image
        )

    @torch.no_grad()
    def iterative_denoise(self, image, i_start, prompt_embeds, timesteps, display=True):
        for i in range(i_start, len(timesteps) - 1):
            t, prev_t = timesteps[i], timesteps[i + 1]
            a, a_prev = self.alphas_cumprod[t], self.alphas_cumprod[prev_t]
            alpha = a / a_prev
            out = self.stage_1.unet(image, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0]
            eps, predicted = torch.split(out, 3, dim=1)
            mean = (image - torch.sqrt(1 - a) * eps) / torch.sqrt(a)
            mean *= torch.sqrt(a_prev) * (1 - alpha)
            image *= torch.sqrt(alpha) * (1 - a_prev)
            mean += image
            image = self.add_variance(predicted, t, mean / (1 - a))
        return image.detach().cpu()


sampler = Sampler(None)
