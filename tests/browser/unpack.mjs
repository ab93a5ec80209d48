// unpack.mjs DIR: makes DIR a Chromium that runs, with the libraries and fonts that come with it, of the package's archives.
//
// The package is made for a cloud whose machines have nothing, which is what makes it run on any distribution; Ubuntu's own
// `chromium` needs snapd. Its JavaScript is not used: it wants a newer Node than ours.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';

const out = process.argv[2];
const archives = join(dirname(fileURLToPath(import.meta.url)), 'node_modules/@sparticuz/chromium/bin');
if (process.arch !== 'x64') {
    console.error(`there is no Chromium for ${process.arch} in the package @sparticuz/chromium`);
    process.exit(1);
}
const unpacked = (name) => brotliDecompressSync(readFileSync(join(archives, name)));

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'chromium'), unpacked('chromium.br'), { mode: 0o755 });
for (const archive of ['al2023.tar.br', 'fonts.tar.br']) execFileSync('tar', ['-x', '-C', out], { input: unpacked(archive) });
writeFileSync(
    join(out, 'fonts.conf'),
    `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="cwd">fonts</dir><cachedir prefix="cwd">fonts-cache</cachedir></fontconfig>
`,
);
