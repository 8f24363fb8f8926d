"""The reader's language: translation, the wording of answers, numbers, times, and the service's sentences."""
