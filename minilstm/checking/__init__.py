"""What the gradient checker says about a wrong gradient: where it is wrong, and likely causes.
Nothing here knows the function that is checked."""
