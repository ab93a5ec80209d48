// build.mjs OUT: bundles the dashboard into OUT/app.js, OUT/app.css and OUT/index.html.
//
// The page names its two assets by the digests of their content, as api/handlers/dashboard.cpp does, which serves them under
// these names for ever.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];
const esbuild = await import('esbuild').catch(() => {
    console.error('api/dashboard/node_modules is not there: scripts/setup installs it');
    process.exit(1);
});

await esbuild.build({
    entryPoints: { app: join(here, 'src/app.jsx') },
    outdir: out,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    charset: 'utf8',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'inline',
    logLevel: 'warning',
});

const named = (file) => {
    const [name, type] = file.split('.');
    const digest = createHash('sha256')
        .update(readFileSync(join(out, file)))
        .digest('hex');
    return `${name}-${digest.slice(0, 16)}.${type}`;
};
const page = readFileSync(join(here, 'index.html'), 'utf8');
writeFileSync(join(out, 'index.html'), page.replace('app.css', named('app.css')).replace('app.js', named('app.js')));
