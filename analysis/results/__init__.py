"""What the frames say: costs and scores per strategy, comparisons, verdicts."""
