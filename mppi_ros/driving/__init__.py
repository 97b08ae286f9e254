"""The cost f(x) of a mobile robot: motion models, critics, maps, the fused rollout."""
