"""The page Predict: a form, and the answer with the vote of every node."""
