// The demo, clicked through: what it draws is looked at by whoever reads the screenshots.

import path from 'node:path';

async function opened(context, address, size) {
  const page = await context.newPage();
  await page.setViewportSize(size);
  await page.goto(`${address}/demo/`);
  await page.waitForFunction(() => window.ready, null, { timeout: 60_000 });
  return page;
}

/** A pixel of a canvas. */
const pixel = (page, id, x, y) =>
  page.evaluate(([id, x, y]) => Array.from(document.getElementById(id).getContext('2d').getImageData(x, y, 1, 1).data), [id, x, y]);

export const tests = {
  'the demo': {
    async run({ context, address, device, shots, assert }) {
      for (const [name, size] of Object.entries({ desktop: { width: 1200, height: 900 }, phone: { width: 390, height: 844 } })) {
        const page = await opened(context, address, size);
        if (device === 'gpu') await page.click('#gpu');
        await page.waitForFunction((device) => document.querySelector(`#${device}`).getAttribute('aria-pressed') === 'true', device);
        await page.waitForFunction(() => document.getElementById('took').textContent !== '');
        // A stroke makes what is under it grey, and a slider changes it.
        const box = await page.locator('#canvas').boundingBox();
        const at = (x, y) => [box.x + (x * box.width) / 640, box.y + (y * box.height) / 427];
        await page.mouse.move(...at(480, 60));
        await page.mouse.down();
        await page.mouse.move(...at(600, 100), { steps: 8 });
        await page.mouse.up();
        await page.waitForTimeout(500);
        const [r, g, b, a] = await pixel(page, 'canvas', 560, 87);
        assert.ok(r === g && g === b && a === 255, `under the brush is ${[r, g, b, a]}`);
        await page.locator('#blue').fill('1.2');
        await page.waitForTimeout(500);
        assert.notDeepEqual(await pixel(page, 'canvas', 560, 87), [r, g, b, a]);
        if (name === 'desktop') {
          await page.click('#start');
          await page.waitForFunction(() => window.found, null, { timeout: 120_000 });
          const learned = await page.evaluate(() => window.found);
          [0.299, 0.587, 0.114].forEach((share, i) => assert.ok(Math.abs(learned[i] - share) < 2e-3, `learned ${learned}`));
          await page.click('#measure');
          await page.waitForFunction(() => window.times, null, { timeout: 120_000 });
        }
        const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
        assert.ok(!wide, 'the page is wider than the screen');
        assert.ok(await page.locator('#fault').isHidden(), await page.locator('#fault').textContent());
        await page.screenshot({ path: path.join(shots, `${name}-${device}.png`), fullPage: true });
        await page.close();
      }
    },
  },
};
