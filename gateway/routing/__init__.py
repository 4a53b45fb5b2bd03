"""What was asked: route definitions and the table that finds one. Pure."""
