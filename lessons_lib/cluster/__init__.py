"""Ray as an engine under the app, where DIFFUSION_CLUSTER asks for it: nothing else imports this folder, nor ray, at the start."""
