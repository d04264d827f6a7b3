"""Training of a group of students, or of a teacher: batches, learner, checkpoints, recipe."""
