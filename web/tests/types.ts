// That the types say what the package does: compiled, not run.

import hadamard, { Adam, type Device, type Tensor } from '../js/index.js';

export async function page(): Promise<number> {
  await hadamard.init({ gpu: new URL('https://localhost/gpu.wasm') });
  const d: Device = await hadamard.device('gpu');
  const a: Tensor = d.tensor(new Float32Array(6), [2, 3]);
  const [value, slope] = d.valueAndGrad('sum(a * a * k)', { a, k: 2 }, ['a']);
  const adam = new Adam({ a }, { lr: 0.1, betas: [0.9, 0.99], weightDecay: 0 });
  adam.step({ a: slope });
  adam.lr = 0.01;
  // @ts-expect-error a shape is of numbers
  d.zeros(['2']);
  // @ts-expect-error there is no such option
  new Adam({ a }, { momentum: 1 });
  slope.dispose();
  return Number(await value.item());
}
