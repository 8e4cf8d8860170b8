"""What the scripted model talks about: one module for each group of subjects.

A topic is a pure function from the turn so far to the next answer, so that a tool's real result
shows up in what is said about it. `choose` holds the one ordered table of topics.
"""
