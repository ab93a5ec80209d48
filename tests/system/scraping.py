"""Reads metrics as Prometheus does: series as dictionaries of name and labels -> number."""
import re
import subprocess
import urllib.error
import urllib.request

SERIES = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Scrape:
    def __init__(self, text):
        self.text, self.series = text, {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, labels, value = SERIES.fullmatch(line).groups()
                self.series[name, frozenset(LABEL.findall(labels or ""))] = float(value)

    def of(self, name, **labels):
        """The sum of the series that have these labels; an error if there is none."""
        wanted = set(labels.items())
        found = [value for (known, has), value in self.series.items() if known == name and wanted <= has]
        if not found:
            raise AssertionError(f"no series {name} {labels}")
        return sum(found)

    def by(self, name, *labels):
        """What is not 0, by the values of these labels."""
        out = {}
        for (known, has), value in self.series.items():
            if known == name and value:
                key = tuple(dict(has)[label] for label in labels)
                out[key if len(key) > 1 else key[0]] = value
        return out

    def names(self):
        return {name for name, _ in self.series}


def admin_get(process, path, method="GET"):
    """Status, headers and text of an answer of a process' admin listener."""
    port = process.wait_log("admin_serving")["port"]
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def scrape(process):
    status, headers, text = admin_get(process, "/metrics")
    if status != 200 or headers["Content-Type"] != "text/plain; version=0.0.4; charset=utf-8":
        raise AssertionError(f"{process.name} answers {status} {headers}")
    return Scrape(text)


def promtool(*words, stdin=None, cwd=None):
    """What promtool has to say; nothing beside the word SUCCESS if all is well."""
    done = subprocess.run(["promtool", *map(str, words)], input=stdin, cwd=cwd, capture_output=True, text=True, timeout=60,
                          check=False)
    said = done.stdout + done.stderr
    return "" if done.returncode == 0 and not ("SUCCESS" not in said and said.strip()) else said or f"status {done.returncode}"
