// Usage: node -r {toolchain}/offline.cjs {toolchain}/generate-typescript.mjs <input.yaml|json> <output dir>
//
// Runs @hey-api/openapi-ts and makes its output a small package of its own: src/ (types, one function per operation, a
// fetch client; no run-time dependency), package.json and tsconfig.json, so that `tsc -p <output dir>` checks or builds
// it with no other file.
//
// The generator gets a copy of the document in which only what it stumbles over is changed: references into the middle of
// something (#/components/schemas/A/properties/b, #/paths/...) get a name of their own in components, and an operationId
// without a single letter is dropped (the generator then makes a name from method and path).
//
// Exit 0: written. 1: not generated, with the reason on one line of stderr. 2: wrong usage.
import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import yaml from 'js-yaml';

const [input, output] = process.argv.slice(2);

function fail(code, reason) {
  process.stderr.write(`generate-typescript: ${String(reason).replace(/\s+/g, ' ').trim().slice(0, 500)}\n`);
  process.exit(code);
}

if (!input || !output || process.argv.length !== 4) fail(2, 'usage: generate-typescript.mjs <input> <output dir>');
if (!existsSync(input) || !statSync(input).isFile()) fail(1, `no such file: ${input}`);
if (existsSync(output) && readdirSync(output).length > 0) fail(1, `the output folder is not empty: ${output}`);

const target = resolve(output);
const source = join(target, 'src');
mkdirSync(source, { recursive: true });

const json = (value) => `${JSON.stringify(value, null, 2)}\n`;
writeFileSync(join(target, 'package.json'), json({
  name: 'api-client-preview',
  version: '0.0.0',
  private: true,
  type: 'module',
  exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
  files: ['dist'],
  scripts: { build: 'tsc -p .', check: 'tsc -p . --noEmit' },
}));
writeFileSync(join(target, 'tsconfig.json'), json({
  compilerOptions: {
    target: 'ES2022',
    lib: ['ES2022', 'DOM', 'DOM.Iterable'],
    module: 'NodeNext',
    moduleResolution: 'NodeNext',
    strict: true,
    declaration: true,
    rootDir: 'src',
    outDir: 'dist',
    types: [],
  },
  include: ['src'],
}));

function* objects(root) {
  const seen = new Set();
  const stack = [root];
  while (stack.length > 0) {
    const node = stack.pop();
    if (node === null || typeof node !== 'object' || seen.has(node)) continue;
    seen.add(node);
    yield node;
    stack.push(...Object.values(node));
  }
}

function load(path) {
  const text = readFileSync(path, 'utf8');
  return path.endsWith('.json') ? JSON.parse(text) : yaml.load(text, { schema: yaml.CORE_SCHEMA.extend(yaml.types.merge) });
}

function prepare(document) {
  const named = new Map();
  for (const node of [...objects(document)]) {
    if (typeof node.operationId === 'string' && !/\p{L}/u.test(node.operationId)) delete node.operationId;
    const ref = node.$ref;
    // Only schemas: their pointers go through a media type's or parameter's "schema" or through components/schemas.
    if (typeof ref !== 'string' || !/^#\/.*\/schemas?\//.test(`${ref}/`) || /^#\/components\/schemas\/[^/]+$/.test(ref)) continue;
    if (!named.has(ref)) {
      const parts = ref.slice(2).split('/').map((part) => decodeURIComponent(part).replace(/~1/g, '/').replace(/~0/g, '~'));
      const target = parts.reduce((at, part) => at?.[part], document);
      if (target === null || typeof target !== 'object') continue;
      const schemas = ((document.components ??= {}).schemas ??= {});
      const base = parts.slice(-6).join('_').replace(/[^\w]+/g, '_').replace(/^components_schemas_/, '');
      let name = base;
      for (let n = 2; Object.hasOwn(schemas, name); n += 1) name = `${base}_${n}`;
      schemas[name] = target;
      named.set(ref, `#/components/schemas/${name}`);
    }
    node.$ref = named.get(ref);
  }
  return document;
}

// A schema may have the name of something that the SDK file exports too ("Options"): say which of them index.ts means.
function settleNames() {
  const names = (file) => new Set([...readFileSync(join(source, file), 'utf8')
    .matchAll(/^export (?:type|interface|enum|const|class|function) ([\p{L}\p{N}_$]+)/gmu)].map((match) => match[1]));
  const files = ['types.gen.ts', 'sdk.gen.ts'];
  if (!files.every((file) => existsSync(join(source, file)))) return;
  const [types, sdk] = files.map(names);
  const both = [...types].filter((name) => sdk.has(name));
  if (both.length > 0) appendFileSync(join(source, 'index.ts'), `export type { ${both.join(', ')} } from './types.gen.js';\n`);
}

// The generator logs to stdout and stderr as it pleases; this program's stderr is for the one line that says what is wrong.
console.log = console.info = console.warn = console.error = () => {};

try {
  const document = load(input);
  if (document === null || typeof document !== 'object' || Array.isArray(document)) throw new Error('the document is not a mapping');
  const { createClient } = await import('@hey-api/openapi-ts');
  await createClient({
    configFile: '',
    input: prepare(document),
    logs: { file: false, level: 'silent' },
    output: { path: source, tsConfigPath: join(target, 'tsconfig.json'), importFileExtension: '.js', format: null, lint: null },
    plugins: ['@hey-api/typescript', '@hey-api/sdk', '@hey-api/client-fetch'],
  });
  settleNames();
} catch (error) {
  // Its errors come wrapped: a job's error around the one that says something, or a list of them.
  const causes = (at) => [at?.errors, at?.originalError?.error, at?.originalError, at?.error, at?.cause]
    .filter(Boolean).flat().flatMap(causes).concat(at?.message || []);
  rmSync(target, { recursive: true, force: true });
  fail(1, causes(error)[0] || 'the generator does not say why');
}
