"""What the views ask, one module a subject; `frontend.service` has what all of them ask."""
