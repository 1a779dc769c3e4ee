"""One module for each format in which labelled structures are published."""
