"""What a command will cost, before it is spent."""
