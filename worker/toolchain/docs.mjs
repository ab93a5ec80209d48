// Usage: node {toolchain}/docs.mjs <input.yaml|json> <page.html>
//
// Runs `redocly build-docs` and writes the reference as ONE file that shows the same page with no network. The tool's own
// page loads redoc from a CDN, and puts HTML found in descriptions into the page as it is. This one has the same redoc
// bundle inside, draws the page in the browser with redoc's sanitizer on, and has a Content-Security-Policy that allows
// exactly the two scripts below and nothing from elsewhere, so a hostile document can neither run code nor call home.
// Exit 0: written. 1: not written, with the reason on one line of stderr. 2: wrong usage. 75: the tool was killed from outside.
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fail, here, reasonOf, redocly, require } from './tool.mjs';

const HEAP_MEGABYTES = 2048;
const [input, output] = process.argv.slice(2);

if (!input || !output || process.argv.length !== 4) fail('docs', 2, 'usage: docs.mjs <input> <page.html>');
if (!existsSync(input) || !statSync(input).isFile()) fail('docs', 1, `no such file: ${input}`);

// Run the generator; keep the document as it prepared it for the browser.
const scratch = mkdtempSync(join(tmpdir(), 'docs-'));
let built;
try {
  const page = join(scratch, 'page.html');
  const run = redocly('docs', HEAP_MEGABYTES, ['build-docs', input, '-o', page, '-t', join(here, 'docs-state.hbs'), '--disableGoogleFont']);
  if (run.status !== 0 || !existsSync(page)) fail('docs', 1, reasonOf(run));
  built = readFileSync(page, 'utf8');
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
const found = [...built.matchAll(/^\s*const __redoc_state = (\{.*\});$/gm)].at(-1);
if (!found) fail('docs', 1, 'the page of redocly build-docs has no document in it');
const document = JSON.parse(found[1]).spec.data;

// A logo by address would be a load from elsewhere; one that is in the document itself may stay.
const logo = document.info?.['x-logo'];
if (logo && !String(logo.url ?? '').startsWith('data:')) delete document.info['x-logo'];

// Texts inside <script> must not contain what ends or nests a script; each form means the same to JavaScript or JSON.
const asScript = (code) => code.replace(/<(?=\/script|script|!--)/gi, '\\x3c');
const asData = (value) => JSON.stringify(value).replace(/</g, '\\u003c');
const asText = (text) => String(text).replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);

const redocFolder = dirname(require.resolve('redoc/package.json', { paths: [dirname(require.resolve('@redocly/cli/package.json'))] }));
const bundle = join(redocFolder, 'bundles', 'redoc.standalone.js');
const notices = `${readFileSync(join(redocFolder, 'LICENSE'), 'utf8')}\n${readFileSync(`${bundle}.LICENSE.txt`, 'utf8')}`;
const library = asScript(readFileSync(bundle, 'utf8')
  .replace(/https:\/\/[a-z.]+\/redoc\/logo-mini\.svg/g, 'data:,')
  .replace(/\/\/# sourceMappingURL=[\w.]+\.js\.map\s*$/, ''));

const options = {
  sanitize: true,
  hideLoading: true,
  theme: { typography: { fontFamily: 'system-ui, sans-serif', headings: { fontFamily: 'system-ui, sans-serif' } } },
};
const start = asScript(`
const text = window.document.getElementById('document').textContent;
Redoc.init(JSON.parse(text), ${asData(options)}, window.document.getElementById('redoc'), (error) => {
  if (error) window.document.getElementById('redoc').textContent = 'This reference cannot be shown: ' + error.message;
});
`);

const digest = (code) => `'sha256-${createHash('sha256').update(code).digest('base64')}'`;
const policy = [
  "default-src 'none'",
  `script-src ${digest(library)} ${digest(start)}`,
  "style-src 'unsafe-inline'",
  'img-src data:',
  'font-src data:',
  'worker-src blob:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

writeFileSync(output, `<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${asText(document.info?.title || 'API reference')}</title>
<style>body { margin: 0; padding: 0; }</style>
</head>
<body>
<div id="redoc"></div>
<noscript>This reference needs JavaScript.</noscript>
<script type="text/plain" id="notices">
${asScript(notices)}
</script>
<script type="application/json" id="document">${asData(document)}</script>
<script>${library}</script>
<script>${start}</script>
</body>
</html>
`);
