"""Pipelines for tests."""
DOCUMENT = '{"openapi": "3.0.3", "info": {"title": "Small", "version": "1"}, "paths": {}}'
VERIFY = {"name": "verify_inputs", "builtin": "verify_inputs"}
VALIDATE = {"name": "validate_spec", "builtin": "validate_spec"}
NOOP = {"name": "noop", "builtin": "noop"}


def pipelines(*steps, tools=None, **modes):
    return {"version": 1, "tools": tools or {}, "pipelines": {"default": list(steps), **modes}}


def command(name, *argv, **more):
    return {"name": name, "argv": [str(word) for word in argv], **more}


def shell(name, script, **more):
    return command(name, "/bin/sh", "-c", script, **more)


BUILT_IN_ONLY = pipelines(VERIFY, NOOP)
