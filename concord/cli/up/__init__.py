"""What `concord up` does: train and package, start processes, wait until they answer, keep them running.

`session` is the order of the steps, `plan` the nodes to start, `launcher` starts every process, `supervisor`
keeps them running.
The command itself is `concord.cli.commands.up`.
"""
