"""Static programs as images on a node of this machine, which has no registry to pull them from."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.harness.go_modules import go_programs
from tests.harness.local_stack import CLUSTER, StackError

_DOCKERFILE = 'FROM scratch\nCOPY {name} /bin/{name}\nENTRYPOINT ["/bin/{name}"]\n'
"""Some who run such an image name the program by the path that it usually has."""


def load_program(cluster: str, programs: str, name: str) -> str:
    """Make an image of one program, load it into the node of a cluster, and return the image's name.

    Parameters
    ----------
    cluster
        Name of a cluster of this machine.
    programs
        Which set of ``go_programs`` it is of.
    name
        The program's; the image's tag is its version.
    """
    program = (go_programs(programs) / name).resolve()
    stem, _, version = program.name.rpartition("-")
    image, archive = f"localhost/{stem}:{version}", program.with_name(f"{program.name}.tar")
    if not archive.exists():
        _pack(program, stem, image, archive)
    _run("cluster load", str(CLUSTER), "load", str(archive), CLUSTER_NAME=cluster)
    return image


def _pack(program: Path, name: str, image: str, archive: Path) -> None:
    """Write the image as an archive, which is whole once it has its name."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Dockerfile").write_text(_DOCKERFILE.format(name=name))
        shutil.copy(program, Path(folder, name))
        unfinished = archive.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        place = f"docker-archive:{unfinished}:{image}"
        _run("buildah", "buildah", "bud", "--isolation=chroot", "--tag", place, folder, STORAGE_DRIVER="vfs")
        unfinished.rename(archive)


def _run(what: str, *command: str, **environment: str) -> None:
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"{what} failed with exit code {done.returncode}: {done.stderr.strip()[-2000:]}")
