"""An OCI archive that adds one layer to an image the node already has.

Exporting the whole engine image means reading, packing and hashing its 7 GB again for each edit of a few files.
The node keeps layers by their digest, so an archive may leave out those of the base image, which was loaded
before it: what is written here is a manifest, a configuration and the top layer.
"""

import argparse
import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path
from typing import IO, Any

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
NAME_ANNOTATION = "org.opencontainers.image.ref.name"


class Blobs:
    """The content of an archive, by digest."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def add(self, media_type: str, content: bytes) -> dict[str, Any]:
        """Add a blob and return its descriptor."""
        digest = hashlib.sha256(content).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def pack(directory: Path) -> bytes:
    """Return the directory as a layer.

    Raises
    ------
    ValueError
        The layer deletes a file of the base, which overlayfs records as a device and this module does not translate.
    """

    def keep(member: tarfile.TarInfo) -> tarfile.TarInfo:
        if member.ischr():
            raise ValueError(
                f"{member.name}: the layer deletes this file of the base; build the base without it"
            )
        member.uname = member.gname = ""  # this machine's names for the ids
        return member

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(directory, arcname=".", filter=keep)
    return packed.getvalue()


def read_base(layout: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the manifest and the configuration of the one image in an OCI layout."""

    def blob(digest: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())
        return content

    manifest = blob(json.loads((layout / "index.json").read_text())["manifests"][0]["digest"])
    return manifest, blob(manifest["config"]["digest"])


def write(layout: Path, layer: Path, config: dict[str, Any], name: str, destination: IO[bytes]) -> None:
    """Write the archive of the image `name`: the base in `layout` with `layer` on top, run as `config` says."""
    manifest, base_config = read_base(layout)
    blobs = Blobs()
    top = blobs.add(LAYER_TYPE, pack(layer))
    config["rootfs"]["diff_ids"] = [*base_config["rootfs"]["diff_ids"], top["digest"]]
    manifest["config"] = blobs.add(CONFIG_TYPE, json.dumps(config).encode())
    manifest["layers"] = [*manifest["layers"], top]
    image = blobs.add(MANIFEST_TYPE, json.dumps(manifest).encode()) | {"annotations": {NAME_ANNOTATION: name}}
    blobs.files["oci-layout"] = json.dumps({"imageLayoutVersion": "1.0.0"}).encode()
    blobs.files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [image]}).encode()
    with tarfile.open(fileobj=destination, mode="w|") as archive:
        for path, content in blobs.files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def main() -> None:
    """Write the archive to standard output; the configuration of the image comes from standard input."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("layout", type=Path, help="OCI layout of the base image")
    parser.add_argument("layer", type=Path, help="directory with the files of the top layer")
    parser.add_argument("name", help="name of the image, with its tag")
    arguments = parser.parse_args()
    config = json.load(sys.stdin)
    write(arguments.layout, arguments.layer, config, arguments.name, sys.stdout.buffer)


if __name__ == "__main__":
    main()
