"""`csp chat`: one session in a terminal, over the same WebSocket as the page."""
