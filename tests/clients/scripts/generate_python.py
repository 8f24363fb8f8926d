# /// script
# requires-python = ">=3.11,<3.13"
# dependencies = ["openapi-python-client==0.29.1"]
# ///
