"""The gateway under hostile bytes: a corpus of payloads, a seeded mutator, and strict judges at both ends."""
