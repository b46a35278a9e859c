"""What people send, from each rail to each other one, on a federation that runs; docs/rails.md shows the results."""
