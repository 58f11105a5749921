// Chromium without a window, with WebGPU on its software adapter, or without WebGPU.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

const PLACES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Runs `work` with a browser, which is closed afterwards. Errors on a page become errors here. */
export async function withBrowser({ gpu, viewport }, work) {
  const executablePath = PLACES.find((place) => place && existsSync(place));
  if (!executablePath) throw new Error('no Chromium: name one in CHROMIUM');
  const profile = mkdtempSync(path.join(os.tmpdir(), 'hadamard-web-'));
  const args = ['--headless=new', '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking'];
  args.push('--disable-component-update', '--disable-sync', '--hide-scrollbars', '--js-flags=--expose-gc');
  if (gpu) args.push('--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader');
  // `headless: false`, so that no other kind of headless is asked for.
  const context = await chromium.launchPersistentContext(profile, { executablePath, headless: false, timeout: 60_000, args, viewport });
  const failures = [];
  context.on('page', (page) => page.on('pageerror', (error) => failures.push(String(error))));
  context.on('weberror', (error) => failures.push(String(error.error())));
  try {
    if (!gpu) await context.addInitScript(() => delete Navigator.prototype.gpu);
    const result = await work(context);
    if (failures.length) throw new Error(`the page failed: ${failures.join('; ')}`);
    return result;
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}
