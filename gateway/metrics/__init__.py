"""Figures of the gateway: what each is called, how a process tells them, how those of many workers become one."""
