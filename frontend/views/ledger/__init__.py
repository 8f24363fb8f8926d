"""What the page of the ledger alone shows: what happened in a block, and who gained and lost."""
