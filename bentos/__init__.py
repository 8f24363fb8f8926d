"""BentoML services: one folder, one bento, one image."""
