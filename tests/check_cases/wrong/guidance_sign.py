"""The difference the wrong way round."""

EXPECT = {"guidance": ["guidance_sign"]}


def cfg(eps_cond, eps_uncond, gamma):
    return eps_uncond + gamma * (eps_uncond - eps_cond)
