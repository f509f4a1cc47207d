"""What a trained model says of its samples, and how good that is."""
