"""Errors of a model on labelled structures."""
