"""`csp doctor`: is this machine fit to run csp, and if not, what to do."""
