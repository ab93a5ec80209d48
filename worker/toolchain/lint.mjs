// Usage: node {toolchain}/lint.mjs <input.yaml|json> <report.json>
//
// Runs `redocly lint` with the rules of redocly.yaml and keeps its JSON report as a file. The tool itself ends with 1
// both when it found errors and when it could not read the document at all (then there is no report), so here:
// Exit 0: report written, no errors. 3: report written, totals.errors > 0. 1: no report, with the reason on one line of
// stderr. 2: wrong usage. 75: the linter could not be run or was killed from outside.
// The report: { totals: { errors, warnings, ignored }, version, problems: [{ ruleId, severity, message, location }] }.
// `totals` counts everything; `problems` stops at MAX_PROBLEMS, errors first.
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { fail, reasonOf, redocly } from './tool.mjs';

const MAX_PROBLEMS = 1000;
const HEAP_MEGABYTES = 1536;
const [input, output] = process.argv.slice(2);

if (!input || !output || process.argv.length !== 4) fail('lint', 2, 'usage: lint.mjs <input> <report.json>');
if (!existsSync(input) || !statSync(input).isFile()) fail('lint', 1, `no such file: ${input}`);

const run = redocly('lint', HEAP_MEGABYTES, ['lint', input, '--format', 'json', '--max-problems', String(MAX_PROBLEMS)]);

let report;
try {
  report = JSON.parse(run.stdout);
} catch {
  fail('lint', 1, reasonOf(run));
}
const { errors, warnings } = report.totals ?? {};
if (!Number.isInteger(errors) || !Number.isInteger(warnings)) fail('lint', 1, 'the report of redocly lint has no totals');

writeFileSync(output, run.stdout);
process.stdout.write(`${errors} errors, ${warnings} warnings\n`);
process.exitCode = errors > 0 ? 3 : 0;
