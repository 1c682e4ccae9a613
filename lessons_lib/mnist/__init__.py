"""Part B: the digits, the three UNets of the course, their training, and what they draw."""
