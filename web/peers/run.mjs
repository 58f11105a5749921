// `node web/peers/run.mjs [SIZE ...]`: the table of peers, as Markdown. Needs web/pkg, and fetches the peers from npm.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { withBrowser } from '../tests/browser.mjs';
import { serve } from '../tests/serve.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const made = process.env.HADAMARD_PEERS ?? path.join(here, '..', 'target', 'peers');
const sizes = process.argv.slice(2).map(Number);
mkdirSync(made, { recursive: true });
if (!existsSync(path.join(made, 'node_modules'))) {
  writeFileSync(path.join(made, 'package.json'), '{ "private": true }');
  const packages = ['@tensorflow/tfjs-core@4.22.0', '@tensorflow/tfjs-backend-webgpu@4.22.0', '@jax-js/jax@0.1.25', 'esbuild@0'];
  execFileSync('npm', ['install', '--silent', ...packages], { cwd: made, stdio: 'inherit' });
}
const bundle = ['--bundle', '--format=esm', '--external:/pkg/*', '--outfile=bundle.js', '--log-level=error', '--define:process.env.NODE_ENV="production"'];
execFileSync('node_modules/.bin/esbuild', [path.join(here, 'peers.js'), ...bundle], {
  cwd: made,
  stdio: 'inherit',
  env: { ...process.env, NODE_PATH: path.join(made, 'node_modules') },
});
writeFileSync(path.join(made, 'index.html'), '<!doctype html><title>peers</title><link rel=icon href="data:,"><script type=module src=bundle.js></script>');

const server = await serve({ '/': made, '/pkg/': path.join(here, '..', 'pkg') });
const rows = [];
await withBrowser({ gpu: true }, async (context) => {
  for (const n of sizes.length ? sizes : [1e3, 1e4, 1e5, 1e6, 1e7]) {
    const page = await context.newPage();
    page.on('console', (message) => message.type() === 'error' && console.error(`[page] ${message.text()}`));
    await page.goto(`${server.address}/`);
    await page.waitForFunction(() => window.ready, null, { timeout: 60_000 });
    rows.push(...(await page.evaluate((n) => window.compare(n), n)));
    console.error(`${n} elements done`);
    await page.close();
  }
}).finally(() => server.close());

const names = [...new Set(rows.map((row) => row.name))];
console.log(`| work | elements | ${names.map((name) => `${name}: launches | ms`).join(' | ')} |`);
console.log(`| --- | --- |${' --- | --- |'.repeat(names.length)}`);
for (const { text, n } of rows.filter((row) => row.name === names[0])) {
  const cells = names.map((name) => rows.find((row) => row.text === text && row.n === n && row.name === name));
  console.log(`| \`${text}\` | ${n.toExponential(0)} | ${cells.map((cell) => `${cell.launches} | ${cell.ms?.toFixed(2) ?? '–'}`).join(' | ')} |`);
}

// What is computed alike differs by rounding alone.
const SMALL = 1e-6;
console.log(`\nDifferences of more than ${SMALL}, from sums in f64 and else from hadamard's results:\n`);
for (const { text, n, name, off } of rows.filter((row) => row.off > SMALL)) console.log(`- \`${text}\` of ${n.toExponential(0)}, ${name}: ${off.toExponential(1)}`);
