"""Measurements that are repeated: each folder is one, run as a module."""
