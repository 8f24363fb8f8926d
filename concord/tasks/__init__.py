"""What a task asks and answers: its schema, labels and training profile, and values read from text.

This package has no code in `__init__`: the image of the fetch step copies it alone.
"""
