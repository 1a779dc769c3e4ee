"""What the rules of the workflow ask for: where results lie, what commands are told, what is made
again. Read whenever the workflow's graph is built, so nothing heavy is imported here.
"""
