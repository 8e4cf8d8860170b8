"""The model proxy: the one way from a worker to the model provider.

It holds the API key, which no worker does; counts the money; and keeps a failing provider from
being hammered. It never retries, since the CLI does, and never changes what it streams.
"""
