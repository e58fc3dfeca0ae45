"""What the trainings of reader and question generator share; knows torch, and neither of them."""
