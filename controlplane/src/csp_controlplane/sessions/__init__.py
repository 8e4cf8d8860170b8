"""Sessions as the API offers them, on top of the live sessions and their attachments."""
