"""Where resources and sessions meet: adopting AgentSessions, and telling them what happens."""
