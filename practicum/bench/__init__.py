"""The speed comparisons behind `practicum bench`: ours, a named rival, and the machine's own limit."""
