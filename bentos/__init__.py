"""BentoML services without logic of their own: one folder, one bento, one image; `serve` runs one on a laptop."""
