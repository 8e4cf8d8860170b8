"""`csp backup` and `csp restore`: everything of an installation in one file, and back."""
