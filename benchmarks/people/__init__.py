"""Load test of the page with simulated people: waiting times and errors."""
