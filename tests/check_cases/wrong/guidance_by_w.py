"""The other paper's formula with the course's number."""

EXPECT = {"guidance": ["guidance_w"]}


def cfg(noise_cond, noise_uncond, scale):
    return (1 + scale) * noise_cond - scale * noise_uncond
