"""Workers as pods: AgentSession resources are written and watched, pods are the operator's."""
