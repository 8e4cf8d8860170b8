"""gRPC server around one ClaudeSDKClient: one agent session's process or pod."""
