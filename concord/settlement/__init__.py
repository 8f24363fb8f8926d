"""Settling rounds: from votes and labels in the journal to blocks in the ledger, and the audit of that.

`settler` is the process, `batch` settles the rounds of one block, by `label_settlement` or under the policy
`seed`; `jailing` says who is jailed or released, `evidence` is how votes are written, `audit` settles every
block again.
"""
