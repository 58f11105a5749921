// All tests in a browser: `node tests/run.mjs [WORD …]` runs those whose names have a word.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { withBrowser } from './browser.mjs';
import { serve } from './serve.mjs';
import * as demo from './demo.mjs';
import * as pages from './pages.mjs';

const web = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const words = process.argv.slice(2);
const shots = process.env.HADAMARD_SHOTS ?? path.join(web, 'target', 'shots');
mkdirSync(shots, { recursive: true });

const server = await serve({
  '/': path.join(web, 'tests'),
  '/pkg/': path.join(web, 'pkg'),
  '/demo/': path.join(web, 'demo'),
  '/golden/': path.join(web, '..', 'tests', 'golden'),
});

/** A page with the package loaded. */
async function open(context) {
  const page = await context.newPage();
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && console.log(`    [page] ${message.text()}`));
  await page.goto(`${server.address}/page.html`);
  await page.waitForFunction(() => window.ready, null, { timeout: 60_000 });
  return page;
}

let failed = 0;
let ran = 0;
for (const gpu of [true, false]) {
  const tests = Object.entries({ ...pages.tests, ...demo.tests }).filter(([name, test]) => {
    return (test.on ?? 'both') !== (gpu ? 'cpu' : 'gpu') && (words.length === 0 || words.some((word) => name.includes(word)));
  });
  if (tests.length === 0) continue;
  await withBrowser({ gpu }, async (context) => {
    for (const [name, test] of tests) {
      const start = performance.now();
      ran += 1;
      try {
        const note = await test.run({ context, open: () => open(context), device: gpu ? 'gpu' : 'cpu', address: server.address, shots, assert });
        console.log(`ok   ${gpu ? 'gpu' : 'cpu'}  ${name}${note ? `: ${note}` : ''} (${((performance.now() - start) / 1e3).toFixed(1)} s)`);
      } catch (error) {
        failed += 1;
        console.log(`FAIL ${gpu ? 'gpu' : 'cpu'}  ${name}: ${error.stack ?? error}`);
      }
      for (const page of context.pages().slice(1)) await page.close();
    }
  }).catch((error) => {
    failed += 1;
    console.log(`FAIL ${gpu ? 'gpu' : 'cpu'}  the browser: ${error}`);
  });
}
server.close();
console.log(`${ran - failed} of ${ran} passed`);
process.exitCode = failed || ran === 0 ? 1 : 0;
