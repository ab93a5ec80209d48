#!/usr/bin/env python3
"""generate_lifecycle.py LIFECYCLE.json OUT.hpp OUT.lua: one table of statuses and transitions for C++ and for Lua."""
import json
import pathlib
import sys

source, out_hpp, out_lua = sys.argv[1:]
table = json.loads(pathlib.Path(source).read_text(encoding="utf-8"))
statuses, transitions = table["statuses"], table["transitions"]
for name, rule in transitions.items():
    unknown = set(rule["from"]) | set(rule["to"])
    if not unknown <= set(statuses):
        sys.exit(f"{source}: {name} names an unknown status: {unknown - set(statuses)}")


def mask(names):
    return " | ".join(f"bit(run_status::{n})" for n in names)


cpp = f"""// Generated from lifecycle.json by generate_lifecycle.py.
#pragma once
#include <array>
#include <string_view>

namespace reprise {{

enum class run_status {{ {", ".join(statuses)} }};
inline constexpr std::array<std::string_view, {len(statuses)}> run_status_names{{
    {", ".join(f'"{s}"' for s in statuses)}}};

enum class transition {{ {", ".join(transitions)} }};
inline constexpr std::array<std::string_view, {len(transitions)}> transition_names{{
    {", ".join(f'"{t}"' for t in transitions)}}};

namespace lifecycle_table {{
constexpr unsigned bit(run_status s) {{ return 1u << static_cast<unsigned>(s); }}
inline constexpr unsigned terminal = {mask(table["terminal"])};
inline constexpr std::array<unsigned, {len(transitions)}> from{{
    {", ".join(mask(r["from"]) for r in transitions.values())}}};
inline constexpr std::array<unsigned, {len(transitions)}> to{{
    {", ".join(mask(r["to"]) for r in transitions.values())}}};
}} // namespace lifecycle_table
}} // namespace reprise
"""

def lua_set(names):
    return "{ " + ", ".join(f"{n} = true" for n in names) + " }"


lua = "-- Generated from lifecycle.json: MAY[transition][status] says whether the transition may start there.\nlocal MAY = {\n"
lua += "".join(f"  {name} = {lua_set(rule['from'])},\n" for name, rule in transitions.items())
lua += "}\nlocal ENDS = {\n"
lua += "".join(f"  {name} = {lua_set(rule['to'])},\n" for name, rule in transitions.items())
lua += f"}}\nlocal TERMINAL = {lua_set(table['terminal'])}\n"
lua += "local STATUSES = { " + ", ".join(f"'{s}'" for s in statuses) + " }\n"

for path, text in ((out_hpp, cpp), (out_lua, lua)):
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(path).write_text(text, encoding="utf-8")
