// Shared by lint.mjs and docs.mjs: runs @redocly/cli in a child process with a memory cap and no network.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const here = dirname(fileURLToPath(import.meta.url));
export const require = createRequire(import.meta.url);

export function fail(name, code, reason) {
  process.stderr.write(`${name}: ${String(reason).replaceAll(`${process.cwd()}/`, '').replace(/\s+/g, ' ').trim().slice(0, 500)}\n`);
  process.exit(code);
}

// Returns { status, stdout, stderr }. Ends this process when the child could not give an answer at all.
export function redocly(name, heapMegabytes, args) {
  const cli = join(dirname(require.resolve('@redocly/cli/package.json')), 'bin', 'cli.js');
  const node = [`--max-old-space-size=${heapMegabytes}`, '-r', join(here, 'offline.cjs'), cli];
  const run = spawnSync(process.execPath, [...node, ...args, '--config', join(here, 'redocly.yaml')], {
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (run.error) fail(name, 75, `cannot run @redocly/cli: ${run.error.message}`);
  if (run.stderr.includes('JavaScript heap out of memory')) fail(name, 1, `out of memory (heap limit ${heapMegabytes} MB)`);
  if (run.signal) fail(name, 75, `@redocly/cli was ended by ${run.signal}`);
  return run;
}

// What the tool said, without its "validating ..." chatter and its stack traces.
export function reasonOf(run) {
  const noise = /^(validating |Found .* and using|Prerendering|\s+at )/;
  const lines = run.stderr.split('\n').filter((line) => line.trim() !== '' && !noise.test(line));
  return lines.slice(0, 6).join(' ') || `@redocly/cli ended with exit code ${run.status}`;
}
