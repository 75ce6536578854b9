"""Autoscaling of a fleet of instances: workloads, queueing, environment, baselines, the learned policy."""
