"""So many people on the page at once: how long each waits, and whether anybody meets an error."""
