"""Concord's server beside plain uvicorn and Granian: how fast each is, and what each refuses."""
