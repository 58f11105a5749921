// What a page's author relies on, on a GPU and without one.

import path from 'node:path';

/** What a call throws, as `name: message`. */
const THROWN = `async (work) => {
  try { await work(); } catch (error) { return error.name + ': ' + error.message; }
  return 'nothing was thrown';
}`;

/** Runs a function in a page, with `d` the device, `hadamard`, and `thrown`. */
const inPage = (page, device, body) =>
  page.evaluate(
    `(async () => { const thrown = ${THROWN}; const d = await hadamard.device('${device}'); const run = ${body.toString()}; return run(d, thrown); })()`,
  );

export const tests = {
  'the readme example': {
    async run({ open, device, assert }) {
      const got = await inPage(await open(), device, async (d) => {
        const a = d.tensor(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2]);
        const w = d.tensor([[1], [10], [100]]);
        const r = d.evaluate('sum(a * w, 0)', { a, w });
        d.assign({ w: 'w * 0.5 + k' }, { w, k: 1 });
        return [r.shape, r.dtype, Array.from(await r.data()), Array.from(await w.data()), d.isGpu];
      });
      assert.deepEqual(got, [[2], 'f32', [531, 642], [1.5, 6, 51], device === 'gpu']);
    },
  },

  'gradients and optimizers': {
    async run({ open, device, assert }) {
      const got = await inPage(await open(), device, async (d, thrown) => {
        const w = d.tensor([1, -2, 3]);
        const [loss, slope] = d.valueAndGrad('sum(w * w * a)', { w, a: 3 }, 'w');
        const found = [await loss.item(), Array.from(await slope.data())];
        const ends = {};
        for (const rule of ['SGD', 'Adam', 'AdamW', 'RMSprop', 'Lion']) {
          const v = d.tensor([1, -2, 3]);
          const optimizer = new hadamard[rule]({ v }, { lr: 0.05, weightDecay: 0.01 });
          let before;
          for (let i = 0; i < 60; i += 1) {
            before?.dispose();
            before = optimizer.minimize('mean(square(v - t))', { t: 0.5 });
          }
          optimizer.step({ v: [0, 0, 0] });
          ends[rule] = [await before.item(), optimizer.lr];
        }
        const text = await thrown(() => new hadamard.SGD({ w }, { speed: 1 }));
        return { found, ends, text };
      });
      assert.deepEqual(got.found, [42, [6, -12, 18]]);
      for (const [rule, [loss, lr]] of Object.entries(got.ends)) {
        assert.ok(loss < 2 && lr === 0.05, `${rule}: ${loss}`);
      }
      assert.match(got.text, /^ArgumentError: SGD: expected one of its options \(lr, maximize, momentum.*found speed/);
    },
  },

  'errors have the words of the library': {
    async run({ open, device, assert }) {
      const got = await inPage(await open(), device, async (d, thrown) => {
        const [a, b] = [d.ones([2, 3]), d.ones([4])];
        const gone = d.ones([2]);
        gone.dispose();
        gone.dispose();
        const other = await hadamard.device('cpu');
        return [
          await thrown(() => d.evaluate('a * b', { a, b })),
          await thrown(() => d.evaluate('a * (', { a })),
          await thrown(() => d.evaluate('a * b', { a })),
          await thrown(() => d.evaluate('a * b', { a, b: {} })),
          await thrown(() => d.evaluate('gone + 1', { gone })),
          await thrown(() => gone.data()),
          await thrown(() => d.tensor(Float32Array.of(1, 2, 3), [2])),
          await thrown(() => d.tensor('text')),
          await thrown(() => d.tensor([1], [-1])),
          await thrown(async () => (await d.evaluate('x[i]', { x: a, i: d.tensor(Int32Array.of(9)) }).data())),
          await thrown(() => hadamard.device('nothing of the kind')),
          await thrown(() => hadamard.device({})),
          await thrown(() => (d.isGpu ? other.evaluate('a + 1', { a }) : d.evaluate('a / {}', { a }))),
          gone.toString(),
        ];
      });
      assert.equal(got[0], 'ParseError: column 3: mul: shapes [2, 3] and [4] do not broadcast\n  a * b\n    ^');
      assert.match(got[1], /^ParseError: column 6: expected/);
      assert.equal(got[2], "ArgumentError: evaluate: expected a value for 'b', found none");
      assert.equal(got[3], "ArgumentError: evaluate: expected a tensor, an array or a number for 'b', found Object");
      assert.equal(got[4], 'ArgumentError: evaluate: expected a tensor, found one that was disposed of');
      assert.equal(got[5], 'ArgumentError: data: expected a tensor, found one that was disposed of');
      assert.equal(got[6], 'ArgumentError: tensor: expected 2 values for shape [2], found 3');
      assert.equal(got[7], "ArgumentError: tensor: expected a typed array, an array of numbers or a GPUBuffer, found 'text'");
      assert.equal(got[8], 'ArgumentError: tensor: expected a shape, an array of whole numbers, found [-1]');
      assert.match(got[9], /^IndexError: index: index 9 is out of range for dim 0 of size 2/);
      assert.match(got[10], /^NoDeviceError: no device matches/);
      assert.equal(got[11], 'ArgumentError: device: expected a name or a GPUDevice, found Object');
      assert.match(got[12], device === 'gpu' ? /^DeviceMismatchError: evaluate: expected every tensor on cpu, found one on google swiftshader/ : /^ParseError/);
      assert.equal(got[13], 'Tensor(disposed of)');
    },
  },

  'every dtype goes in and out': {
    async run({ open, device, assert }) {
      const got = await inPage(await open(), device, async (d) => {
        const arrays = [
          Float32Array.of(1.5, -2), Int8Array.of(1, -2), Int16Array.of(1, -2), Int32Array.of(1, -2), Uint8Array.of(1, 2),
          Uint16Array.of(1, 2), Uint32Array.of(1, 2), BigInt64Array.of(1n, -(2n ** 40n)), BigUint64Array.of(1n, 2n ** 63n),
          Float64Array.of(1.5, -2),
        ];
        const wrong = [];
        for (const array of arrays) {
          const tensor = d.tensor(array);
          const back = await tensor.data();
          if (back.constructor !== array.constructor || String(back) !== String(array)) wrong.push([tensor.dtype, String(back)]);
        }
        const halves = d.tensor(Uint16Array.of(0x3c00, 0xc000), [2], 'f16');
        const truth = d.evaluate('x > 0', { x: [1, -1] });
        return [wrong, Array.from(await halves.data(), Number), truth.dtype, Array.from(await truth.data()), await d.tensor([true]).item()];
      });
      assert.deepEqual(got, [[], [1, -2], 'bool', [1, 0], true]);
    },
  },

  "PyTorch's answers": {
    async run({ open, device, assert }) {
      const page = await open();
      // A GPU in software takes minutes to compile thousands of kernels: a fourth of the rows unless all are asked for.
      const every = device === 'gpu' && !process.env.HADAMARD_ALL_ROWS ? 4 : 1;
      const found = await page.evaluate(async ([name, every]) => golden.all(await hadamard.device(name), every), [device, every]);
      const sum = (key) => found.reduce((n, table) => n + table[key], 0);
      const wrong = found.flatMap((table) => table.wrong.map((text) => `${table.name}: ${text}`));
      assert.equal(wrong.length, 0, `${wrong.length} wrong:\n${wrong.slice(0, 20).join('\n')}`);
      assert.ok(sum('rows') > 2000 / every);
      return `${sum('rows')} rows of ${found.length} tables, ${sum('f64')} left out for want of f64, ${sum('subnormal')} of subnormals`;
    },
  },

  'ten thousand evaluations without growth': {
    async run({ open, device, assert }) {
      const [before, after, heaps] = await inPage(await open(), device, async (d) => {
        const [a, b] = [d.uniform([1000], 1), d.uniform([1000], 2)];
        const round = async (n) => {
          for (let i = 0; i < n; i += 1) {
            const r = d.evaluate('sum(a * b * k)', { a, b, k: i + 0.5 });
            d.assign({ a: 'a * 0.5 + 0.25' }, { a });
            if (i % 100 === 99) await r.item();
            r.dispose();
          }
          await d.synchronize();
          globalThis.gc?.();
          return performance.memory?.usedJSHeapSize ?? 0;
        };
        const first = await round(1000);
        const before = d.stats();
        const last = await round(9000);
        return [before, d.stats(), [first, last]];
      });
      assert.equal(after.tensors, before.tensors);
      assert.equal(after.used, before.used);
      assert.equal(after.pooled, before.pooled);
      assert.equal(after.allocations, before.allocations);
      assert.equal(after.compiled, before.compiled);
      assert.ok(heaps[1] < heaps[0] * 1.5 + 4e6, `JavaScript's memory grew from ${heaps[0]} to ${heaps[1]} bytes`);
      return `${after.allocations} buffers, ${(heaps[0] / 1e6).toFixed(1)} and ${(heaps[1] / 1e6).toFixed(1)} MB of JavaScript's`;
    },
  },

  'two pages at once': {
    async run({ open, device, assert }) {
      const work = (page, seed) =>
        page.evaluate(
          async ([name, seed]) => {
            const d = await hadamard.device(name);
            const x = d.full([1000], seed);
            for (let i = 0; i < 50; i += 1) {
              d.assign({ x: 'x + 1' }, { x });
              if (i % 10 === 0) await x.data();
            }
            return d.evaluate('sum(x)', { x }).item();
          },
          [device, seed],
        );
      const [one, two] = await Promise.all([open(), open()]);
      assert.deepEqual(await Promise.all([work(one, 1), work(two, 1000)]), [51_000, 1_050_000]);
    },
  },

  'a device that is lost': {
    on: 'gpu',
    async run({ open, assert }) {
      const got = await inPage(await open(), 'gpu', async (d, thrown) => {
        const x = d.ones([1000]);
        await x.data();
        const waiting = thrown(() => d.evaluate('x * 2', { x }).data());
        d.gpuDevice.destroy();
        const waited = await waiting;
        const later = [await thrown(() => d.evaluate('x + 1', { x })), await thrown(() => x.data()), await thrown(() => d.synchronize())];
        const lost = d.lost;
        x.dispose();
        // A new device works beside it.
        const again = await hadamard.device('gpu');
        return { waited, later, lost, sum: await again.evaluate('sum(x)', { x: again.ones([10]) }).item() };
      });
      assert.match(got.waited, /^DeviceLostError: .*(data|to_vec_async).*is lost: Destroyed|nothing was thrown/);
      for (const text of got.later) assert.match(text, /^DeviceLostError: \w+: the device .* is lost: Destroyed/);
      assert.equal(got.lost, true);
      assert.equal(got.sum, 10);
    },
  },

  'errors of the GPU reach the next await with their operation': {
    on: 'gpu',
    async run({ open, assert }) {
      const got = await inPage(await open(), 'gpu', async (d, thrown) => {
        const x = d.ones([1000]);
        // No call of the package's does this: work that uses the buffer is refused.
        x.gpuBuffer().buffer.destroy();
        const y = d.evaluate('x + 1', { x });
        const refused = await thrown(() => y.data());
        const z = d.ones([1000]);
        const right = (await z.data())[0];
        const huge = await thrown(() => d.zeros([2 ** 27 + 2 ** 20], 'f64'));
        d.limitMemory(d.stats().used + 2 ** 20);
        const much = await thrown(() => d.zeros([2 ** 20]));
        d.limitMemory();
        return [refused, right, huge, much, d.zeros([2 ** 20]).size];
      });
      assert.match(got[0], /^GpuError: \w+: the GPU refused the work: .*destroyed/is);
      assert.equal(got[1], 1);
      assert.match(got[2], /^UnsupportedError: zeros: 1082130432 is beyond max_buffer_size = 1073741824/);
      assert.match(got[3], /^OutOfMemoryError: zeros: out of memory on .* for 4194304 bytes/);
      assert.equal(got[4], 2 ** 20);
    },
  },

  'buffers go in and out on one device': {
    on: 'gpu',
    async run({ open, assert }) {
      const got = await inPage(await open(), 'gpu', async (d, thrown) => {
        const adapter = await navigator.gpu.requestAdapter();
        const mine = await adapter.requestDevice();
        const e = await hadamard.device(mine);
        const buffer = (device, values, usage) => {
          const made = device.createBuffer({ size: 4 * values.length, usage, mappedAtCreation: true });
          new Float32Array(made.getMappedRange()).set(values);
          made.unmap();
          return made;
        };
        const { COPY_SRC, COPY_DST, STORAGE, MAP_READ } = GPUBufferUsage;
        const x = e.tensor(buffer(mine, [1, 2, 3, 4], COPY_SRC | STORAGE), [2, 2]);
        const y = e.evaluate('x * 10', { x });
        const { buffer: from, offset, size } = y.gpuBuffer();
        const to = mine.createBuffer({ size, usage: COPY_DST | MAP_READ });
        const encoder = mine.createCommandEncoder();
        encoder.copyBufferToBuffer(from, offset, to, 0, size);
        mine.queue.submit([encoder.finish()]);
        await to.mapAsync(GPUMapMode.READ);
        const out = Array.from(new Float32Array(to.getMappedRange()));
        const mapped = mine.createBuffer({ size: 16, usage: COPY_SRC, mappedAtCreation: true });
        const errors = [
          await thrown(() => e.tensor(buffer(mine, [1, 2], COPY_SRC), [3])),
          await thrown(() => e.tensor(buffer(mine, [1, 2], STORAGE), [2])),
          await thrown(() => e.tensor(mapped, [2])),
          await thrown(() => e.tensor(buffer(mine, [1, 2], COPY_SRC), [2], 'float')),
        ];
        // The page's own errors stay the page's.
        let own = 0;
        mine.addEventListener('uncapturederror', (event) => (own += 1, event.preventDefault()));
        mine.createBuffer({ size: 4, usage: MAP_READ | STORAGE });
        await mine.queue.onSubmittedWorkDone();
        const still = Array.from(await e.evaluate('x + 1', { x }).data());
        return { out, errors, own, still, same: e.gpuDevice === mine };
      });
      assert.deepEqual(got.out, [10, 20, 30, 40]);
      assert.deepEqual(got.errors, [
        'ArgumentError: tensor: expected a GPUBuffer of at least 12 bytes, found one of 8',
        'ArgumentError: tensor: expected a GPUBuffer with the usage COPY_SRC, found one without',
        'ArgumentError: tensor: expected a GPUBuffer that is not mapped, found one that is mapped',
        "ArgumentError: tensor: expected one of bool, u8, i8, i16, u16, f16, bf16, i32, u32, f32, i64, u64, f64, found 'float'",
      ]);
      assert.deepEqual([got.own, got.still, got.same], [1, [2, 3, 4, 5], true]);
    },
  },

  'a page downloads the module it uses': {
    async run({ open, device, assert }) {
      const page = await open();
      const asked = [];
      page.on('request', (request) => asked.push(path.basename(new URL(request.url()).pathname)));
      const after = async (...which) => {
        const made = await page.evaluate(async (which) => (await hadamard.device(...which)).isGpu, which);
        return [made, asked.splice(0).sort()];
      };
      const [gpu, cpu] = ['gpu', 'cpu'].map((kind) => [kind === 'gpu', [`${kind}.js`, `${kind}_bg.wasm`]]);
      if (device === 'cpu') {
        await assert.rejects(after('gpu'), /NoDeviceError: no device matches 'gpu'/);
        assert.deepEqual([await after(), await after('cpu')], [cpu, [false, []]]);
        return;
      }
      // The browser's GPU is software, so it is not taken without being asked for.
      assert.deepEqual([await after(), await after('gpu'), await after('cpu')], [cpu, gpu, [false, []]]);
      await page.reload();
      await page.waitForFunction(() => window.ready);
      asked.length = 0;
      await page.evaluate(() => {
        Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get: () => false });
        return hadamard.init();
      });
      assert.deepEqual(asked.splice(0).sort(), gpu[1]);
      assert.deepEqual([await after(), await after('gpu')], [[true, []], [true, []]]);
      // One that does not open.
      await page.evaluate(() => (GPUAdapter.prototype.requestDevice = async () => Promise.reject(new DOMException('no', 'OperationError'))));
      assert.deepEqual([await after(), await after('cpu')], [cpu, [false, []]]);
    },
  },

  'both devices on one page': {
    on: 'gpu',
    async run({ open, assert }) {
      const got = await inPage(await open(), 'gpu', async (gpu, thrown) => {
        const cpu = await hadamard.device('cpu');
        const [a, b] = [gpu.uniform([3, 5], 7), cpu.uniform([3, 5], 7)];
        const same = [];
        for (const [d, x, other] of [[gpu, a, cpu], [cpu, b, gpu]]) {
          const there = await x.to(other);
          const back = await there.to(d);
          same.push([there.device === other, back.device === d, back.shape, String(await back.data()) === String(await x.data())]);
        }
        const kinds = [];
        for (const [data, dtype] of [[Uint16Array.of(0x3c00, 0xc000), 'bf16'], [BigInt64Array.of(-5n, 2n ** 40n)], [Uint8Array.of(1, 0), 'bool']]) {
          const there = await (await gpu.tensor(data, [1, 2], dtype).to(cpu)).to(gpu);
          kinds.push([there.dtype, there.shape, Array.from(await there.data(), Number)]);
        }
        const equal = String(await a.data()) === String(await b.data());
        const [u, v] = [gpu.tensor([1, 2]), cpu.tensor([3, 4])];
        const errors = [
          await thrown(() => gpu.evaluate('u * v', { u, v })),
          await thrown(() => cpu.assign({ u: 'u + 1' }, { u })),
          await thrown(() => new hadamard.SGD({ u, v })),
          await thrown(() => new hadamard.SGD({ v }).step({ v: u })),
          await thrown(() => new hadamard.SGD({ v }).minimize('sum(v * u)', { u })),
          await thrown(() => new hadamard.SGD({})),
        ];
        const before = [gpu.stats().tensors, cpu.stats().tensors];
        u.dispose();
        v.dispose();
        return { same, kinds, equal, errors, gone: before.map((n) => n - gpu.stats().tensors), names: [gpu.name, cpu.name] };
      });
      assert.deepEqual(got.same, [[true, true, [3, 5], true], [true, true, [3, 5], true]]);
      assert.deepEqual(got.kinds, [['bf16', [1, 2], [0x3c00, 0xc000]], ['i64', [1, 2], [-5, 2 ** 40]], ['bool', [1, 2], [1, 0]]]);
      assert.ok(got.equal, 'a seed gives other numbers');
      const [gpu, cpu] = got.names;
      const mismatch = (op, expected, found) => `DeviceMismatchError: ${op}: expected every tensor on ${expected}, found one on ${found}`;
      assert.deepEqual(got.errors, [
        mismatch('evaluate', gpu, cpu), mismatch('assign', cpu, gpu), mismatch('SGD', gpu, cpu), mismatch('step', cpu, gpu),
        mismatch('minimize', cpu, gpu), 'ArgumentError: SGD: expected tensors to be trained, found none',
      ]);
      assert.deepEqual(got.gone, [2, 2]);
    },
  },

  'without what computes on the CPU, it holds tensors': {
    on: 'gpu',
    async run({ open, assert }) {
      const page = await open();
      const got = await page.evaluate(async () => {
        const { default: load, ...raw } = await import('/pkg/wasm/gpu.js');
        await load();
        const d = await raw.device_request('cpu');
        const x = raw.tensor_of_floats(d, Float32Array.of(1, 2), Uint32Array.of(2));
        const [name, message] = await (async () => raw.function_call(raw.function_new(['x + 1'], [], [], false), d, [x], [0]))().catch(
          (error) => [error.name, error.message],
        );
        return [name, message, (await raw.tensor_read(x)).length];
      });
      assert.deepEqual(got, ['UnsupportedError', 'call: cpu does not support evaluation, without the feature cpu', 8]);
    },
  },

  'a page without WebGPU': {
    on: 'cpu',
    async run({ open, assert }) {
      const page = await open();
      const got = await page.evaluate(async () => {
        const d = await hadamard.device();
        let gpu;
        try {
          await hadamard.device('gpu');
        } catch (error) {
          gpu = `${error.name}: ${error.message}`;
        }
        let buffer;
        try {
          d.ones([1]).gpuBuffer();
        } catch (error) {
          buffer = `${error.name}: ${error.message}`;
        }
        return [d.name, d.isGpu, gpu, buffer, await d.evaluate('sum(x)', { x: [1, 2, 3] }).item()];
      });
      assert.deepEqual(got, [
        'cpu', false, "NoDeviceError: no device matches 'gpu'; there is: cpu", 'UnsupportedError: gpuBuffer: cpu does not support GPUBuffers', 6,
      ]);
    },
  },
};
