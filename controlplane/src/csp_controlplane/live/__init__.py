"""Live sessions inside one gateway: the ordered pipe of each session and who listens to it."""
