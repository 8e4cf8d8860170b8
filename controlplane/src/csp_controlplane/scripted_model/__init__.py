"""A scripted stand-in for the Messages API, as a process of its own.

It lets a visitor without an API key meet every feature of the product, and lets tests ask for every
answer and fault by name. It speaks HTTP exactly as the real API does and knows nothing of the rest
of the control plane; no product code branches on whether it or the real API answers.
"""
