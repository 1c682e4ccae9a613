"""The only room that imports streamlit: what every lesson page is built from."""

import os

# A walk's waiting OpenMP threads otherwise spin and starve the server, and frames come in a heap.
# libgomp reads this when torch is first imported, which a page does only after importing this room.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
