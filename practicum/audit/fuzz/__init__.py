"""The fuzzer of reward functions: what they pay that is worthless, refuse that is right, or cannot judge."""
