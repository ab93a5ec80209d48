"""Usage: {toolchain}/venv/bin/python -I -B {toolchain}/generate_python.py <input.yaml|json> <output dir>

Runs openapi-python-client and leaves a small project (pyproject.toml, setup.py, README.md, api_client_preview/) in the
output dir, formatted by the ruff of the same venv (which also proves that every file parses). The names of the project
and the package are fixed: made from a title such as a Chinese one they would be empty.

The generator works on a copy of the document, changed as prepare_python.py says.

Exit 0: written; stdout says "<n> operations, <m> modules written, <k> warnings" (the generator leaves out what it cannot do)
and then one warning per line. 1: not written, with the reason on one line of stderr. 2: wrong usage.
"""

import contextlib
import io
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

started: list[Path] = []  # the output folder, once something may be in it


def fail(code: int, reason: object) -> None:
    text = " ".join(str(reason).split())[:500]
    for folder in started:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"generate-python: {text}", file=sys.stderr)
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(code)


def mend(package: Path) -> list[str]:
    """Repairs what the generator gets wrong in operations that it wrote; says which ones had to be left out after all."""
    left_out = []
    for module in sorted(package.glob("api/*/*.py")):
        code = module.read_text(encoding="utf-8")
        if re.search(r"\bUnset\b", code) and not re.search(r"^from .* import .*\bUnset\b", code, re.MULTILINE):
            code = re.sub(r"^(from \.\.\.types import .*)$", r"\1, Unset", code, count=1, flags=re.MULTILINE)
            module.write_text(code, encoding="utf-8")
        needs = re.findall(r"^from \.\.\.models\.(\w+) import", code, re.MULTILINE)
        missing = [name for name in needs if not (package / "models" / f"{name}.py").exists()]
        if missing:
            module.unlink()
            left_out.append(f"{module.parent.name}/{module.stem} left out: it needs the model {missing[0]}, which was dropped")
    return left_out


def main() -> None:
    if len(sys.argv) != 3:
        fail(2, "usage: generate_python.py <input> <output dir>")
    source, target = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
    if target.exists() and any(target.iterdir()):
        fail(1, f"the output folder is not empty: {sys.argv[2]}")

    sys.path.insert(0, str(Path(__file__).resolve().parent))  # -I leaves it out
    from openapi_python_client import generate
    from openapi_python_client.config import Config, ConfigFile, MetaType
    from openapi_python_client.parser.errors import ErrorLevel
    from ruamel.yaml import YAML

    from prepare_python import prepare
    from python_names import METHODS

    text = source.read_bytes()
    document = json.loads(text) if source.suffix == ".json" else YAML(typ="safe", pure=False).load(text)
    if not isinstance(document, dict):
        fail(1, "the document is not a mapping")
    overrides = prepare(document)

    started.append(target)
    # The generator formats its output with "ruff", found on PATH; the worker's PATH does not have this venv's.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    os.environ["RUFF_NO_CACHE"] = "true"
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "openapi.json"
        copy.write_text(json.dumps(document, default=str), encoding="utf-8")
        names = ConfigFile(
            project_name_override="api-client-preview",
            package_name_override="api_client_preview",
            content_type_overrides=overrides,
        )

        def attempt():
            config = Config.from_sources(names, MetaType.SETUP, copy, "utf-8", overwrite=True, output_path=target)
            with contextlib.redirect_stdout(io.StringIO()):
                return generate(config=config)

        try:
            problems = attempt()
        except ValueError as error:
            if "literal_enums" not in str(error):
                raise
            names.literal_enums = True  # two values of an enum would become the same name: use the values themselves
            problems = attempt()

    said = [re.sub(r"\s+", " ", f"{p.header} {p.detail or ''}").strip() for p in problems]
    said = [re.sub(r"<[\w.]+ object at 0x[0-9a-f]+>", "(name)", line)[:300] for line in said]
    fatal = [line for line, p in zip(said, problems, strict=True) if p.level == ErrorLevel.ERROR]
    if fatal:
        fail(1, "; ".join(fatal[:3]))
    said += mend(target / "api_client_preview")
    wanted = sum(m in METHODS for item in document["paths"].values() if isinstance(item, dict) for m in item)
    written = sum(p.name != "__init__.py" for p in target.glob("api_client_preview/api/*/*.py"))
    print(f"{wanted} operations, {written} modules written, {len(said)} warnings")
    for line in said:
        print(line)


if __name__ == "__main__":
    try:
        main()
    except MemoryError:
        fail(1, "out of memory")
    except OSError as error:  # (without the whole path, which says where this runs)
        fail(1, f"{error.strerror}: {Path(str(error.filename)).name[:80]}")
    except Exception as error:  # one readable line instead of a stack trace
        fail(1, f"{type(error).__name__}: {error}")
