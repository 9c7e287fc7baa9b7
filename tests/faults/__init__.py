"""The operator under faults: a proxy between the shipped operator and a real API server breaks one thing at a time.

Each trial begins from a state that is known, lets a user do one thing (:mod:`tests.faults.scenarios`), breaks one
thing meanwhile (:mod:`tests.faults.faults`), and is judged by the same scenario without a fault
(:mod:`tests.faults.trial`). The method is that of Sieve (OSDI 2022). KubeRay is the stand-in's controllers over pods
that start at once, and Ray is a few answers (:mod:`tests.faults.quick_kuberay`).
"""
