"""The endpoints of the public API, one module for each resource: their declarations and their handlers."""
