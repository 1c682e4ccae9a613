"""One file a lesson: what it walks, what its page opens with, what it measures."""
