"""The teacher: trained once or given, and its outputs, live or stored."""
