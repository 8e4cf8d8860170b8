"""Pure rules about sessions: what the log's events mean and what may follow them.

Nothing here does I/O or knows a clock; the stores, the gateway and the attacher gather facts, ask
this package, and apply what it says.
"""
