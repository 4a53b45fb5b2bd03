"""Who answers: stages, flags, buckets and the decision. Pure; it knows no socket, clock or database."""
