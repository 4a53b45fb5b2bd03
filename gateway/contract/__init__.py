"""Comparing from files: contract folders, the run of their cases against both sides, and its reports."""
