"""Training: one loop, what each network is trained on, and runs in their own process."""
