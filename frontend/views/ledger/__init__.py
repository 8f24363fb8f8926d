"""The page Ledger: verification, stake over the blocks, and the blocks with their events."""
