"""The small process between the worker and its CLI; see __main__.py. Standard library only."""
