"""The search behind `python -m training benchmark`: the algorithm and settings that answer a task best.

`session` is all of it for one worker: `worker` runs trials, `claims` prevents that two workers fit the same,
`optimiser` proposes settings, `cross_validation` measures them, `tracking` keeps them in MLflow,
`leaderboard` ranks, `winners` chooses and `registration` registers. The study is in a SQL database, which
processes on a laptop and pods in a cluster share.
"""
