"""Root causes: why a model does not go on, found in what pods, KubeRay and Serve say.

Pure functions: each module turns the words of one source into a :class:`Cause`, and ``root`` picks the one to
tell.
"""
