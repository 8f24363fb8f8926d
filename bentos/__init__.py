"""The BentoML services, without logic of their own: a folder, bento and image each; `serve` runs them."""
