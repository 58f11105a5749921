// How fast this browser's devices are, as they are used from a page.

import { plot } from './plot.js';

const $ = (id) => document.getElementById(id);

const CASES = [
  { text: 'w * a + (1 - w) * b', what: 'a blend' },
  { text: 'sum(a * b)', what: 'a multiply-reduce' },
];
const SIZES = [1e3, 1e4, 1e5, 1e6, 4e6];
/** Time for a size, and the most runs of it. */
const BUDGET_MS = 250;
const MOST_RUNS = 40;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Seconds that one evaluation takes, with its wait: the median. */
async function seconds(device, text, n) {
  const [a, b] = [device.uniform([n], 1), device.uniform([n], 2)];
  const once = async () => {
    const start = performance.now();
    const result = device.evaluate(text, { a, b, w: 0.25 });
    await device.synchronize();
    result.dispose();
    return performance.now() - start;
  };
  try {
    await once(); // compiles
    const times = [];
    const begun = performance.now();
    while (times.length < 3 || (times.length < MOST_RUNS && performance.now() - begun < BUDGET_MS)) {
      // Clocks of pages tick slowly: small ones are timed together.
      const together = n < 1e5 ? 10 : 1;
      let time = 0;
      for (let i = 0; i < together; i += 1) time += await once();
      times.push(time / together);
    }
    return median(times) / 1e3;
  } finally {
    a.dispose();
    b.dispose();
  }
}

/** Measures each device and draws while it does. */
export async function measure(devices) {
  const rates = $('rates');
  rates.innerHTML = '';
  const results = [];
  for (const { text, what } of CASES) {
    const figure = document.createElement('figure');
    figure.innerHTML = '<figcaption><code></code><span>billion elements a second</span></figcaption><div></div>';
    figure.querySelector('code').textContent = text;
    rates.append(figure);
    const curves = devices.map((device) => ({ class: device.isGpu ? 'gpu' : 'cpu', name: device.isGpu ? 'GPU' : 'CPU', points: [] }));
    for (const n of SIZES) {
      for (const [i, device] of devices.entries()) {
        $('progress').textContent = `${what} of ${n.toLocaleString('en')} elements on the ${curves[i].name} …`;
        const time = await seconds(device, text, n);
        curves[i].points.push([n, n / time / 1e9]);
        results.push({ text, n, device: device.name, ms: time * 1e3 });
        plot(figure.querySelector('div'), curves, { logX: true, logY: true, dots: true, label: `${what}: elements a second by size` });
      }
    }
  }
  $('progress').textContent = `on ${devices.map((device) => device.name).join(' and ')}`;
  return results;
}
