"""What runs around a model: hooks, optimiser wrappers, numeric precision."""
