"""Films from TMDB: `api` asks, `gathering` stores."""
