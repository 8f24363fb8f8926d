"""What each view asks over HTTP, and how long an answer is kept for all who look."""
