"""Makes the Python of ``schemas/proto`` in ``serving/generated``: run ``python -m serving.generate`` after a change."""

import sys
from importlib import resources
from pathlib import Path

from processors.errors import ConfigError

ROOT = Path(__file__).parents[1]
GENERATED = ROOT / "serving" / "generated"
PACKAGE = "mps/v1"


def generate(folder: Path) -> list[Path]:
    """Write the generated modules into a folder and return their paths.

    Raises
    ------
    ConfigError
        The compiler refuses a file: its own message is on stderr.
    """
    from grpc_tools import protoc  # type: ignore[import-untyped]

    protos = [f"{PACKAGE}/{path.name}" for path in sorted((ROOT / "schemas" / "proto").glob("*.proto"))]
    common = str(resources.files("grpc_tools").joinpath("_proto"))
    # Under the path of its package, as everyone else's registry of descriptors has it.
    includes = [f"-I{PACKAGE}={ROOT / 'schemas' / 'proto'}", f"-I{common}"]
    outputs = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main(["protoc", *includes, *outputs, *protos]) != 0:
        raise ConfigError("schemas/proto", "files", ", ".join(protos), "mend what the compiler names above")
    written = []
    for made in sorted((folder / PACKAGE).iterdir()):
        text = made.read_text().replace("from mps.v1 import", "from serving.generated import")
        if made.name.endswith("_grpc.py"):
            # The plugin writes no types.
            text = f"# mypy: ignore-errors\n{text}"
        target = folder / made.name
        target.write_text(text)
        made.unlink()
        written.append(target)
    (folder / PACKAGE).rmdir()
    (folder / PACKAGE).parent.rmdir()
    return written


if __name__ == "__main__":
    for path in generate(GENERATED):
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
