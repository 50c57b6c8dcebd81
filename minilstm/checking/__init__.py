"""What stands behind the gradient checker.
Each file finds one thing: a derivative, a place, or a likely cause."""
