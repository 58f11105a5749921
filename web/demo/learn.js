// Gradient descent finds the weights of a grey picture, and is drawn meanwhile.

import { Adam } from './pkg/index.js';
import { plot } from './plot.js';
import { show } from './picture.js';

const $ = (id) => document.getElementById(id);

/** The share of red, green and blue in grey (ITU-R BT.601): what is to be found. */
const SHARES = [0.299, 0.587, 0.114];
const STEPS = 500;
const STEPS_A_FRAME = 5;
const LOSS = 'mean(square(sum(a * w, -1) - g))';
const PICTURE = '(clamp(sum(a * w, -1, keepdim=True) + o, 0, 1) * 255 + 0.5).to(uint8)';

const cosine = (step) => (1 + Math.cos((Math.PI * step) / STEPS)) / 2;

/** Learns on a device, from a photograph of four channels. `going` says whether to go on. */
export async function learn(device, photo, size, going) {
  const sought = device.tensor([...SHARES, 0]);
  const w = device.zeros([4]);
  const o = device.tensor([0, 0, 0, 1], [1, 1, 4]);
  const g = device.evaluate('sum(a * s, -1)', { a: photo, s: sought });
  // The channels are much alike, so the loss is a long valley; a shorter memory of squares goes along it.
  const adam = new Adam({ w }, { lr: 0.05, betas: [0.9, 0.95] });
  const losses = [];
  const weights = [[], [], []];
  try {
    for (let step = 0; step <= STEPS && going(); step += STEPS_A_FRAME) {
      // What is read before the steps is of this step; the steps are recorded and not waited for.
      const loss = device.evaluate(LOSS, { a: photo, w, g });
      const picture = device.evaluate(PICTURE, { a: photo, w, o });
      const [[value], now, bytes] = await Promise.all([loss.data(), w.data(), picture.data()]);
      [loss, picture].forEach((tensor) => tensor.dispose());
      losses.push([step, value]);
      weights.forEach((curve, i) => curve.push([step, now[i]]));
      draw(losses, weights);
      show($('learned'), bytes, size);
      $('step').textContent = `step ${step}: w = ${Array.from(now.subarray(0, 3), (x) => x.toFixed(4)).join(', ')}; loss ${value.toExponential(1)}`;
      for (let i = 0; i < STEPS_A_FRAME && step < STEPS; i += 1) {
        adam.lr = 0.05 * cosine(step + i);
        adam.minimize(LOSS, { a: photo, g }).dispose();
      }
      await new Promise(requestAnimationFrame);
    }
    return weights.map((curve) => curve.at(-1)?.[1]);
  } finally {
    [sought, w, o, g, adam].forEach((thing) => thing.dispose());
  }
}

export function draw(losses, weights) {
  plot($('loss'), [{ class: 'gpu', name: 'loss', points: losses }], { logY: true, label: 'The loss by step' });
  const names = ['red', 'green', 'blue'];
  const curves = names.map((name, i) => ({ class: name, name, points: weights[i] }));
  plot($('weights'), curves, { marks: names.map((name, i) => ({ class: name, y: SHARES[i] })), label: 'The weights by step' });
}
