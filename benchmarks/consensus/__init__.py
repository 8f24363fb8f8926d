"""The rule on trial: streams, adversaries and labels, played through the code that is shipped."""
