"""One step without the square roots."""

EXPECT = {"one_step": ["no_sqrt"]}


def one_step(x_t, t, eps):
    a = alphas_cumprod[t]
    return (x_t - (1 - a) * eps) / a
