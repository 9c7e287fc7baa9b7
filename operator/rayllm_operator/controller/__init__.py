"""The reconciling process: gather what is, decide (pure) what to do and to say, act.

Level-triggered throughout: a pass needs no memory of the last one, so that it does not matter which events
were missed, or whether the process was just restarted.
"""
