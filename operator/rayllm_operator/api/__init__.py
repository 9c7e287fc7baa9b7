"""The kinds that users write, their validation, and the generators of CRDs and admission policy.

Pure: nothing here knows a cluster, a clock or an event loop.
"""
