"""Films from TMDB: `api` is a client of its API, `gathering` loads films into a table."""
