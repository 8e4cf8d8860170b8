"""A session as a file: to read, to keep, to bring back."""
