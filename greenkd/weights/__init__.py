"""Weights that other programs wrote, made into weights of greenkd's networks: `greenkd weights convert`."""
