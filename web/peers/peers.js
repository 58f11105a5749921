// hadamard, tfjs-webgpu and jax-js in one page: the same work, launches counted, results compared, times taken by turns.

import * as hadamard from '/pkg/index.js';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops';
import '@tensorflow/tfjs-backend-webgpu';
import * as jax from '@jax-js/jax';

const CHAIN = 100;
const ROW = 100;
const MOST_RUNS = 15;
const BUDGET_MS = 1500;

// Every dispatch of the page's, whoever makes it, and every device.
let launches = 0;
for (const name of ['dispatchWorkgroups', 'dispatchWorkgroupsIndirect']) {
  const own = GPUComputePassEncoder.prototype[name];
  GPUComputePassEncoder.prototype[name] = function (...args) {
    launches += 1;
    return own.apply(this, args);
  };
}

const numbers = (n, seed) => Float32Array.from({ length: n }, (_, i) => ((i * 7919 + seed * 104729) % 1000) / 1000 - 0.5);
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** The text of a chain of small operations. */
const CHAIN_TEXT = Array.from({ length: CHAIN }).reduce((text, _, i) => (i % 2 ? `(${text} - b)` : `(${text} * 0.99)`), 'a');

async function ours(n) {
  const d = await hadamard.device('gpu');
  const [a, b] = [d.tensor(numbers(n, 1)), d.tensor(numbers(n, 2))];
  const [a2, b2] = [a, b].map((x) => x.reshape([n / ROW, ROW]));
  const p = d.tensor(numbers(n, 1));
  const adam = new hadamard.Adam({ p }, { lr: 1e-3 });
  const w = d.tensor(Float32Array.of(0.25));
  const evaluate = (text, operands) => () => d.evaluate(text, operands);
  const done = async (result) => {
    await d.synchronize();
    if (result !== p) result?.dispose();
  };
  return {
    name: 'hadamard',
    cases: {
      'a * b': evaluate('a * b', { a, b }),
      'sum(a * b, 0)': evaluate('sum(a * b, 0)', { a: a2, b: b2 }),
      'w * a + (1 - w) * b': evaluate('w * a + (1 - w) * b', { a, b, w }),
      'Adam step': () => (adam.step({ p: b }), p),
      'chain of 100': evaluate(CHAIN_TEXT, { a, b }),
    },
    done,
    read: (result) => result.data(),
    end: () => [a, b, a2, b2, w, p, adam].forEach((x) => x.dispose()),
  };
}

async function tfjs(n) {
  await tf.setBackend('webgpu');
  await tf.ready();
  const [a, b] = [tf.tensor1d(numbers(n, 1)), tf.tensor1d(numbers(n, 2))];
  const [a2, b2] = [a.reshape([n / ROW, ROW]), b.reshape([n / ROW, ROW])];
  const p = tf.variable(tf.tensor1d(numbers(n, 1)));
  const adam = tf.train.adam(1e-3);
  const w = tf.scalar(0.25);
  const tidy = (work) => () => tf.tidy(work);
  const backend = tf.backend();
  return {
    name: 'tfjs-webgpu',
    cases: {
      'a * b': tidy(() => tf.mul(a, b)),
      'sum(a * b, 0)': tidy(() => tf.sum(tf.mul(a2, b2), 0)),
      'w * a + (1 - w) * b': tidy(() => tf.add(tf.mul(w, a), tf.mul(tf.sub(1, w), b))),
      'Adam step': () => (adam.applyGradients([{ name: p.name, tensor: b }]), p),
      'chain of 100': tidy(() => {
        let x = a;
        for (let i = 0; i < CHAIN; i += 1) x = i % 2 ? tf.sub(x, b) : tf.mul(x, 0.99);
        return x;
      }),
    },
    done: async (result) => {
      backend.endComputePassEncoder();
      if (backend.commandEncoder) backend.submitQueue();
      await backend.device.queue.onSubmittedWorkDone();
      if (result !== p) result?.dispose();
    },
    read: (result) => result.data(),
    end: () => [a, b, a2, b2, p, w, adam].forEach((x) => x.dispose()),
  };
}

async function jaxjs(n) {
  await jax.init('webgpu');
  jax.defaultDevice('webgpu');
  const { numpy: np, jit } = jax;
  const [a, b] = [np.array(numbers(n, 1)), np.array(numbers(n, 2))];
  const [a2, b2] = [a.ref.reshape([n / ROW, ROW]), b.ref.reshape([n / ROW, ROW])];
  const w = np.array(Float32Array.of(0.25));
  const call = (f, ...operands) => {
    const compiled = jit(f);
    return () => compiled(...operands.map((x) => x.ref));
  };
  // Constants of the step are operands, as they change from step to step.
  let state = [np.array(numbers(n, 1)), np.zeros([n]), np.zeros([n])];
  let t = 0;
  const step = jit((p, m, v, g, c1, c2) => {
    const m2 = m.mul(0.9).add(g.ref.mul(0.1));
    const v2 = v.mul(0.999).add(g.ref.mul(g).mul(0.001));
    const p2 = p.sub(m2.ref.mul(c1).div(np.sqrt(v2.ref.mul(c2)).add(1e-8)));
    return [p2, m2, v2];
  });
  const scalar = (x) => np.array(Float32Array.of(x));
  return {
    name: 'jax-js',
    cases: {
      'a * b': call((a, b) => a.mul(b), a, b),
      'sum(a * b, 0)': call((a, b) => np.sum(a.mul(b), 0), a2, b2),
      'w * a + (1 - w) * b': call((w, a, b) => w.ref.mul(a).add(w.mul(-1).add(1).mul(b)), w, a, b),
      'Adam step': () => {
        t += 1;
        state = step(...state, b.ref, scalar(1e-3 / (1 - 0.9 ** t)), scalar(1 / (1 - 0.999 ** t)));
        return state[0].ref;
      },
      'chain of 100': call((a, b) => {
        let x = a;
        for (let i = 0; i < CHAIN; i += 1) x = i % 2 ? x.sub(b.ref) : x.mul(0.99);
        b.dispose();
        return x;
      }, a, b),
    },
    done: async (result) => {
      await jax.blockUntilReady(result.ref);
      result.dispose();
    },
    read: (result) => result.data(),
    end: () => [a, b, a2, b2, w, ...state].forEach((x) => x.dispose()),
  };
}

/** What the sums down columns are, in f64. */
function columnSums(n) {
  const [a, b, sums] = [numbers(n, 1), numbers(n, 2), new Float64Array(ROW)];
  for (let i = 0; i < n; i += 1) sums[i % ROW] += a[i] * b[i];
  return sums;
}

/** The largest difference of two results. */
const difference = (x, y) => x.reduce((most, x, k) => Math.max(most, Math.abs(x - y[k])), 0);

/** Rows `{ text, n, name, launches, ms, runs, off }` of one size; `off` is the difference from sums in f64, else from hadamard's. */
window.compare = async (n, names = ['hadamard', 'tfjs-webgpu', 'jax-js']) => {
  const makers = { hadamard: ours, 'tfjs-webgpu': tfjs, 'jax-js': jaxjs };
  const peers = [];
  for (const name of names) peers.push(await makers[name](n));
  const rows = [];
  for (const text of Object.keys(peers[0].cases)) {
    const times = peers.map(() => []);
    const found = [];
    const results = [];
    for (const [i, peer] of peers.entries()) {
      try {
        const result = peer.cases[text]();
        // A copy: tfjs' variable goes on.
        results[i] = Float32Array.from(await peer.read(peer.name === 'jax-js' ? result.ref : result));
        await peer.done(result);
        await peer.done(peer.cases[text]());
        launches = 0;
        await peer.done(peer.cases[text]());
        found[i] = launches;
      } catch (error) {
        found[i] = String(error).slice(0, 200);
      }
    }
    const begun = performance.now();
    const enough = (run, ms) => (ms > 20 * BUDGET_MS ? run > 0 : run >= 3 && ms >= BUDGET_MS);
    for (let run = 0; run < MOST_RUNS && !enough(run, performance.now() - begun); run += 1) {
      for (const [i, peer] of peers.entries()) {
        if (typeof found[i] === 'string') continue;
        const start = performance.now();
        await peer.done(peer.cases[text]());
        times[i].push(performance.now() - start);
      }
    }
    for (const [i, peer] of peers.entries()) {
      const right = text === 'sum(a * b, 0)' ? columnSums(n) : results[0];
      const off = results[i] && right ? difference(results[i], right) : null;
      rows.push({ text, n, name: peer.name, launches: found[i], ms: times[i].length ? median(times[i]) : null, runs: times[i].length, off });
    }
  }
  peers.forEach((peer) => peer.end());
  return rows;
};
window.ready = true;
