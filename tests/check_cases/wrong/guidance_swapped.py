"""Conditional and unconditional in each other's place."""

EXPECT = {"guidance": ["guidance_swapped"]}


def cfg(eps_cond, eps_uncond, gamma):
    return eps_cond + gamma * (eps_uncond - eps_cond)
