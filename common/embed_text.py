#!/usr/bin/env python3
"""embed_text.py OUT.cpp SYMBOL FILE...: concatenates text files into one C++ string constant."""
import pathlib
import sys

out, symbol, *files = sys.argv[1:]
text = "".join(pathlib.Path(f).read_text(encoding="utf-8") for f in files)

# Compilers promise 64 KiB per literal; adjacent literals are joined by the compiler, so pieces stay small.
PIECE = 8000
pieces = [text[i : i + PIECE] for i in range(0, len(text), PIECE)] or [""]
for piece in pieces:
    if ')embed"' in piece:
        sys.exit(f"{files}: the text contains the delimiter of its own literal")
literals = "\n".join(f'R"embed({piece})embed"' for piece in pieces)

pathlib.Path(out).parent.mkdir(parents=True, exist_ok=True)
pathlib.Path(out).write_text(
    "#include <string_view>\n\nnamespace reprise::embedded {\n"
    f"extern const std::string_view {symbol};\nconst std::string_view {symbol} =\n{literals};\n}}\n",
    encoding="utf-8",
)
