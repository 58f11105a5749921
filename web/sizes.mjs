// `node sizes.mjs`: how large the modules of web/pkg are. Fails where the GPU's is larger than docs/web.md promises.

import { readFileSync } from 'node:fs';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const MOST = { bytes: 1_500_000, brotli: 400_000 };

const sizes = Object.fromEntries(
  ['gpu', 'cpu'].map((kind) => {
    const [code, script] = [`${kind}_bg.wasm`, `${kind}.js`].map((name) => readFileSync(new URL(`pkg/wasm/${name}`, import.meta.url)));
    const gzip = gzipSync(code, { level: 9 }).length;
    const brotli = brotliCompressSync(code, { params: { [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS } }).length;
    console.log(`${kind}_bg.wasm: ${code.length} bytes, ${gzip} by gzip, ${brotli} by Brotli; its JavaScript ${script.length}`);
    return [kind, { bytes: code.length, brotli }];
  }),
);
for (const [what, most] of Object.entries(MOST)) {
  if (sizes.gpu[what] <= most) continue;
  console.error(`gpu_bg.wasm: ${what} beyond ${most}`);
  process.exitCode = 1;
}
