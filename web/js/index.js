// hadamard for pages: tensors on a device, and expressions in text evaluated over them in one pass.
//
// The modules below (`modules.js`) know tensors, functions and optimizers by numbers; the classes here give them names, dispose
// of them, and say in words what is wrong with an argument.

import { fault, refused, shown } from './errors.js';
import { bestKind, init, loaded, moduleOf, offered } from './modules.js';

export { init };

/** In place of a tensor's number, as in src/function.rs: a number, and true or false. */
const NUMBER = 0;
const TRUTH = 0xffff_ffff;

// Numbers of what a page forgot to dispose of.
const forgotten = new FinalizationRegistry(({ drop, number }) => drop(number));

/** What has a number below, and gives its memory back once. */
class Handle {
  #number;
  #drop;

  constructor(number, drop) {
    this.#number = number;
    this.#drop = drop;
    forgotten.register(this, { drop, number }, this);
  }

  /** The number, for `op`. */
  _number(op) {
    if (this.#number === 0) throw refused(op, `a ${this.constructor.name.toLowerCase()}`, 'one that was disposed of');
    return this.#number;
  }

  get disposed() {
    return this.#number === 0;
  }

  dispose() {
    if (this.#number === 0) return;
    forgotten.unregister(this);
    this.#drop(this.#number);
    this.#number = 0;
  }
}
if (Symbol.dispose) Handle.prototype[Symbol.dispose] = Handle.prototype.dispose;

const DTYPE_OF = new Map([
  [Float32Array, 'f32'],
  [Float64Array, 'f64'],
  [Int8Array, 'i8'],
  [Int16Array, 'i16'],
  [Int32Array, 'i32'],
  [BigInt64Array, 'i64'],
  [Uint8Array, 'u8'],
  [Uint8ClampedArray, 'u8'],
  [Uint16Array, 'u16'],
  [Uint32Array, 'u32'],
  [BigUint64Array, 'u64'],
]);
if (globalThis.Float16Array) DTYPE_OF.set(globalThis.Float16Array, 'f16');

/** What elements are read into; of bf16 its bits, and of f16 where a browser has nothing better. */
const ARRAY_OF = { bool: Uint8Array };
for (const [array, dtype] of DTYPE_OF) ARRAY_OF[dtype] ??= array;

/** Bytes of an element. */
const SIZE = { bool: 1, u8: 1, i8: 1, i16: 2, u16: 2, f16: 2, bf16: 2, i32: 4, u32: 4, f32: 4, i64: 8, u64: 8, f64: 8 };

function checkedShape(op, shape) {
  const whole = (n) => Number.isInteger(n) && n >= 0 && n < 2 ** 32;
  if (!Array.isArray(shape) || !shape.every(whole)) {
    throw refused(op, 'a shape, an array of whole numbers', Array.isArray(shape) ? `[${shape.map(shown)}]` : shown(shape));
  }
  return Uint32Array.from(shape);
}

const product = (shape) => shape.reduce((a, b) => a * b, 1);
const bytesOf = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const isGpuBuffer = (value) => typeof GPUBuffer !== 'undefined' && value instanceof GPUBuffer;

/** A value as a typed array with a dtype: what is none is taken for floats, or for bools. */
function typed(op, data, dtype) {
  if (Array.isArray(data)) {
    const flat = data.flat(Infinity);
    if (flat.every((x) => typeof x === 'boolean')) return [Uint8Array.from(flat), flat.length ? (dtype ?? 'bool') : (dtype ?? 'f32')];
    if (!flat.every((x) => typeof x === 'number')) throw refused(op, 'numbers', shown(flat.find((x) => typeof x !== 'number')));
    const wanted = dtype ?? 'f32';
    const of = [...DTYPE_OF].find(([, name]) => name === wanted)?.[0];
    if (!of || wanted === 'i64' || wanted === 'u64') throw refused(op, `a typed array of ${wanted}`, 'an array of numbers');
    return [of.from(flat), wanted];
  }
  const own = DTYPE_OF.get(data?.constructor);
  if (!own) throw refused(op, 'a typed array, an array of numbers or a GPUBuffer', shown(data));
  if (dtype === undefined || dtype === own) return [data, own];
  // The same bits in another name: bools as bytes, halves as words.
  if (SIZE[dtype] !== data.BYTES_PER_ELEMENT) throw refused(op, `elements of ${dtype}`, data.constructor.name);
  return [data, dtype];
}

/** The shape of nested arrays, or of a flat one. */
function shapeOf(data) {
  const shape = [];
  for (let at = data; Array.isArray(at); at = at[0]) shape.push(at.length);
  return shape.length ? shape : [data.length];
}

/** Elements on a device, with a shape. */
export class Tensor extends Handle {
  #device;
  #shape;
  #dtype;

  constructor(number, device) {
    super(number, device._module.raw.tensor_drop);
    this.#device = device;
  }

  get #raw() {
    return this.#device._module.raw;
  }

  /** The number, for `op` on a device: that of a tensor of the other module is none to this one. */
  _numberOn(op, device) {
    const number = this._number(op);
    if (device._module === this.#device._module) return number;
    throw fault('DeviceMismatchError', `${op}: expected every tensor on ${device.name}, found one on ${this.#device.name}`);
  }

  /** The device it is on. */
  get device() {
    return this.#device;
  }

  /** The size of each dim. */
  get shape() {
    this.#shape ??= Array.from(this.#raw.tensor_shape(this._number('shape')));
    return this.#shape;
  }

  get dtype() {
    this.#dtype ??= this.#raw.tensor_dtype(this._number('dtype'));
    return this.#dtype;
  }

  /** How many elements it has. */
  get size() {
    return product(this.shape);
  }

  /** The elements in row-major order, once the device has computed them. */
  async data() {
    const number = this._number('data');
    const { dtype } = this;
    const { buffer } = await this.#raw.tensor_read(number);
    return new (ARRAY_OF[dtype] ?? Uint16Array)(buffer);
  }

  /** The one element of a tensor that has one. */
  async item() {
    if (this.size !== 1) throw refused('item', 'a tensor with one element', `shape [${this.shape}]`);
    const [x] = await this.data();
    return this.dtype === 'bool' ? x !== 0 : x;
  }

  /** Writes elements of its dtype over its own. */
  write(data) {
    const [array, dtype] = typed('write', data, this.dtype);
    if (dtype !== this.dtype || array.length !== this.size) {
      throw refused('write', `${this.size} elements of ${this.dtype}`, `${array.length} of ${dtype}`);
    }
    this.#raw.tensor_write(this._number('write'), bytesOf(array));
  }

  /** The elements in another shape, which must have as many: a view, with no copy. */
  reshape(shape) {
    return new Tensor(this.#raw.tensor_reshape(this._number('reshape'), checkedShape('reshape', shape)), this.#device);
  }

  /** A copy on another device. */
  async to(device) {
    const [from, to] = [this._number('to'), device._number('to')];
    const { raw } = device._module;
    if (raw === this.#raw) return new Tensor(await raw.tensor_to_device(from, to), device);
    const sizes = this.#raw.tensor_shape(from);
    const { dtype } = this;
    return new Tensor(raw.tensor_of_bytes(to, await this.#raw.tensor_read(from), sizes, dtype), device);
  }

  /**
   * The GPUBuffer behind a tensor on a GPU, with the first byte and the bytes of its elements: no copy. Work on it has been
   * submitted, so what the page submits to the same GPUDevice next finds the elements there. It is the tensor's for as long
   * as the tensor is not disposed of.
   */
  gpuBuffer() {
    const found = this.#raw.tensor_webgpu?.(this._number('gpuBuffer'));
    if (!found) throw fault('UnsupportedError', `gpuBuffer: ${this.#device.name} does not support GPUBuffers`);
    const [buffer, offset, size] = found;
    return { buffer, offset, size };
  }

  toString() {
    return this.disposed ? 'Tensor(disposed of)' : `Tensor(${this.dtype}[${this.shape.join(', ')}] on ${this.#device.name})`;
  }
}

/** Operands by name as numbers of tensors and values, in the order of names. Arrays become tensors for the call. */
function operandsOf(op, device, names, given = {}, own = {}) {
  const tensors = new Uint32Array(names.length);
  const values = new Float64Array(names.length);
  const made = [];
  names.forEach((name, i) => {
    const value = name in given ? given[name] : own[name];
    if (value instanceof Tensor) tensors[i] = value._numberOn(op, device);
    else if (typeof value === 'number') [tensors[i], values[i]] = [NUMBER, value];
    else if (typeof value === 'bigint') [tensors[i], values[i]] = [NUMBER, Number(value)];
    else if (typeof value === 'boolean') [tensors[i], values[i]] = [TRUTH, Number(value)];
    else if (value === undefined) throw refused(op, `a value for '${name}'`, 'none');
    else if (Array.isArray(value) || DTYPE_OF.has(value?.constructor)) {
      made.push(device.tensor(value));
      tensors[i] = made.at(-1)._number(op);
    } else throw refused(op, `a tensor, an array or a number for '${name}'`, shown(value));
  });
  return { tensors, values, done: () => made.forEach((tensor) => tensor.dispose()) };
}

/** Where tensors live and expressions are evaluated: a GPU, or the CPU. */
export class Device extends Handle {
  #name;
  #info;
  #isGpu;

  constructor(number, module) {
    const { raw } = module;
    super(number, raw.device_drop);
    this._module = module;
    this.#name = raw.device_name(number);
    this.#isGpu = raw.device_is_gpu(number);
    const [f64, maxBuffer, software] = raw.device_info(number);
    this.#info = { f64: f64 === 1, maxBuffer, software: software === 1 };
  }

  get #raw() {
    return this._module.raw;
  }

  /** What errors call it: the adapter and its backend, or `cpu`. */
  get name() {
    return this.#name;
  }

  get isGpu() {
    return this.#isGpu;
  }

  /** Whether it has f64, the most bytes of a tensor, and whether it is a GPU in software. */
  get info() {
    return { ...this.#info };
  }

  /** Whether the device is gone. Every call then throws a DeviceLostError. */
  get lost() {
    return this.#raw.device_is_lost(this._number('lost'));
  }

  /** The page's GPUDevice: its buffers may be tensors. */
  get gpuDevice() {
    return this.#raw.device_webgpu?.(this._number('gpuDevice'));
  }

  /**
   * A tensor of a typed array, of nested arrays of numbers, or of the first bytes of a GPUBuffer of the same GPUDevice, which is
   * copied on the GPU.
   */
  tensor(data, shape, dtype) {
    const number = this._number('tensor');
    if (typeof data === 'number' || typeof data === 'boolean') return this.tensor([data], shape ?? [], dtype);
    if (isGpuBuffer(data)) return this.#ofBuffer(data, shape, dtype ?? 'f32');
    const [array, of] = typed('tensor', data, dtype);
    const sizes = checkedShape('tensor', shape ?? shapeOf(data));
    if (product(sizes) !== array.length) throw refused('tensor', `${product(sizes)} values for shape [${sizes}]`, array.length);
    if (of === 'f32' && array instanceof Float32Array) return new Tensor(this.#raw.tensor_of_floats(number, array, sizes), this);
    return new Tensor(this.#raw.tensor_of_bytes(number, bytesOf(array), sizes, of), this);
  }

  #ofBuffer(buffer, shape, dtype) {
    const sizes = checkedShape('tensor', shape);
    if (!(dtype in SIZE)) throw refused('tensor', `one of ${Object.keys(SIZE).join(', ')}`, `'${dtype}'`);
    const device = this.gpuDevice;
    if (!device) throw fault('UnsupportedError', `tensor: ${this.name} does not support GPUBuffers`);
    const bytes = product(sizes) * SIZE[dtype];
    if (bytes % 4 !== 0) throw refused('tensor', 'a GPUBuffer of whole words of 4 bytes', `${bytes} bytes`);
    if (buffer.size < bytes) throw refused('tensor', `a GPUBuffer of at least ${bytes} bytes`, `one of ${buffer.size}`);
    if (!(buffer.usage & GPUBufferUsage.COPY_SRC)) throw refused('tensor', 'a GPUBuffer with the usage COPY_SRC', 'one without');
    if (buffer.mapState !== 'unmapped') throw refused('tensor', 'a GPUBuffer that is not mapped', `one that is ${buffer.mapState}`);
    const tensor = this.full(shape, 0, dtype);
    if (bytes === 0) return tensor;
    try {
      const to = tensor.gpuBuffer();
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, 0, to.buffer, to.offset, bytes);
      device.queue.submit([encoder.finish()]);
    } catch (error) {
      tensor.dispose();
      throw refused('tensor', 'a GPUBuffer of the same GPUDevice', error.message);
    }
    return tensor;
  }

  /** A tensor of one value everywhere. */
  full(shape, value, dtype = 'f32') {
    if (typeof value !== 'number') throw refused('full', 'a number', shown(value));
    return new Tensor(this.#raw.tensor_full(this._number('full'), value, checkedShape('full', shape), dtype), this);
  }

  zeros(shape, dtype = 'f32') {
    return this.full(shape, 0, dtype);
  }

  ones(shape, dtype = 'f32') {
    return this.full(shape, 1, dtype);
  }

  /** Random numbers of [0, 1): the same for a seed on every device. */
  uniform(shape, seed = 0) {
    return new Tensor(this.#raw.tensor_random(this._number('uniform'), false, checkedShape('uniform', shape), seed), this);
  }

  /** Normal numbers: the same for a seed on every device, but for rounding. */
  normal(shape, seed = 0) {
    return new Tensor(this.#raw.tensor_random(this._number('normal'), true, checkedShape('normal', shape), seed), this);
  }

  #call(op, texts, operands, wrt, value) {
    const number = this._number(op);
    const { number: compiled, names } = this._module.functionOf(op, texts, operands, wrt, value);
    const { tensors, values, done } = operandsOf(op, this, names, operands);
    try {
      return Array.from(this.#raw.function_call(compiled, number, tensors, values), (result) => new Tensor(result, this));
    } finally {
      done();
    }
  }

  /** The result of an expression over tensors, arrays and numbers, in one pass: a new tensor. */
  evaluate(text, operands) {
    return this.#call('evaluate', [text], operands)[0];
  }

  /** The results of several expressions, evaluated together: what they share is read and computed once. */
  evaluateAll(texts, operands) {
    return this.#call('evaluateAll', texts, operands);
  }

  /**
   * Writes expressions into tensors among the operands, in place and in one pass; every expression sees the old values:
   * `d.assign({ w: 'w - lr * g' }, { w, g, lr: 0.1 })`.
   */
  assign(targets, operands = {}) {
    this._number('assign');
    const names = Object.keys(targets);
    if (names.length === 0) return;
    const into = names.map((name) => {
      if (!(operands[name] instanceof Tensor)) throw refused('assign', `a tensor for '${name}', which is assigned to`, shown(operands[name]));
      return operands[name]._numberOn('assign', this);
    });
    const { number, names: needed } = this._module.functionOf('assign', Object.values(targets), operands);
    const { tensors, values, done } = operandsOf('assign', this, needed, operands);
    try {
      this.#raw.function_assign(number, Uint32Array.from(into), tensors, values);
    } finally {
      done();
    }
  }

  /** The gradients of an expression with one element, by the names of tensors, in their order. */
  grad(text, operands, wrt) {
    return this.#call('grad', [text], operands, listed('grad', wrt), false);
  }

  /** As `grad`, with the value of the expression before the gradients. */
  valueAndGrad(text, operands, wrt) {
    return this.#call('valueAndGrad', [text], operands, listed('valueAndGrad', wrt), true);
  }

  /** How an expression is computed: its passes, and what each reads and writes. */
  explain(text, operands) {
    const { number, names } = this._module.functionOf('explain', [text], operands);
    const { tensors, values, done } = operandsOf('explain', this, names, operands);
    try {
      return this.#raw.function_explain(number, tensors, values);
    } finally {
      done();
    }
  }

  /** Is done when all work so far is. Errors of the work come out here, or of the first read after it. */
  async synchronize() {
    await this.#raw.device_synchronize(this._number('synchronize'));
  }

  /** Bytes, and counts of what was done so far. */
  stats() {
    const [used, pooled, peak, allocations, compiled, kernels, submits] = this.#raw.device_stats(this._number('stats'));
    const tensors = loaded.reduce((count, { raw }) => count + raw.tensor_count(), 0);
    return { used, pooled, peak, allocations, compiled, kernels, submits, tensors };
  }

  /** At most so many bytes are in use and pooled together; `undefined` bounds nothing. */
  limitMemory(bytes) {
    this.#raw.device_limit_memory(this._number('limitMemory'), bytes);
  }

  /** Gives pooled memory and compiled kernels back. */
  trim() {
    this.#raw.device_trim(this._number('trim'));
  }

  toString() {
    return `Device(${this.#name})`;
  }
}

function listed(op, names) {
  const list = typeof names === 'string' ? [names] : names;
  if (!Array.isArray(list) || list.length === 0) throw refused(op, 'the names of tensors', shown(names));
  return list;
}

/** A step for each call, over tensors that are updated in place. */
class Optimizer extends Handle {
  #params;
  #device;

  constructor(rule, params, options) {
    const names = Object.keys(params ?? {});
    const tensors = names.map((name) => {
      if (!(params[name] instanceof Tensor)) throw refused(rule, `a tensor for '${name}'`, shown(params[name]));
      return params[name];
    });
    if (tensors.length === 0) throw refused(rule, 'tensors to be trained', 'none');
    const [{ device }] = tensors;
    const { raw } = device._module;
    const numbers = Uint32Array.from(tensors, (tensor) => tensor._numberOn(rule, device));
    const keys = Object.keys(options).map((key) => key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`));
    super(raw.optimizer_new(rule, numbers, keys, Object.values(options)), raw.optimizer_drop);
    this.#params = { ...params };
    this.#device = device;
  }

  get #raw() {
    return this.#device._module.raw;
  }

  /** The tensors by their names. */
  get params() {
    return { ...this.#params };
  }

  get lr() {
    return this.#raw.optimizer_lr(this._number('lr'));
  }

  set lr(lr) {
    this.#raw.optimizer_set_lr(this._number('lr'), lr);
  }

  /** Takes a step along gradients, one for each parameter by its name. */
  step(grads) {
    const number = this._number('step');
    const names = Object.keys(this.#params);
    const { tensors, done } = operandsOf('step', this.#device, names, grads);
    try {
      this.#raw.optimizer_step(number, tensors);
    } finally {
      done();
    }
  }

  /** Takes a step that lowers a loss, of the parameters and of other operands by name. Returns what it was before, as a tensor. */
  minimize(loss, operands) {
    const number = this._number('minimize');
    const { number: compiled, names } = this.#device._module.functionOf('minimize', [loss], { ...this.#params, ...operands });
    const { tensors, values, done } = operandsOf('minimize', this.#device, names, operands, this.#params);
    try {
      return new Tensor(this.#raw.optimizer_minimize(number, compiled, tensors, values), this.#device);
    } finally {
      done();
    }
  }
}

export class SGD extends Optimizer {
  constructor(params, options = {}) {
    super('SGD', params, options);
  }
}
export class Adam extends Optimizer {
  constructor(params, options = {}) {
    super('Adam', params, options);
  }
}
export class AdamW extends Optimizer {
  constructor(params, options = {}) {
    super('AdamW', params, options);
  }
}
export class RMSprop extends Optimizer {
  constructor(params, options = {}) {
    super('RMSprop', params, options);
  }
}
export class Lion extends Optimizer {
  constructor(params, options = {}) {
    super('Lion', params, options);
  }
}

/**
 * The device to use: a GPU where the page has one, else the CPU. `'gpu'`, `'cpu'` or part of a name choose; a GPUDevice of
 * the page's is shared, so that buffers go in and out without leaving the GPU.
 */
export async function device(which) {
  if (which === undefined) return bestDevice();
  if (typeof GPUDevice !== 'undefined' && which instanceof GPUDevice) return shared(which);
  if (typeof which !== 'string') throw refused('device', 'a name or a GPUDevice', shown(which));
  if (which.trim().toLowerCase() === 'cpu') return named(await moduleOf('cpu'), which);
  if (await offered()) return named(await moduleOf('gpu'), which);
  throw fault('NoDeviceError', `no device matches '${which}'; there is: cpu`);
}

const named = async (module, name) => new Device(await module.raw.device_request(name), module);

async function bestDevice() {
  if ((await bestKind()) === 'gpu') {
    const module = await moduleOf('gpu');
    try {
      return await named(module, 'gpu');
    } catch {
      // A GPU that does not open, or that kernels cannot use.
    }
  }
  return named(await moduleOf('cpu'), 'cpu');
}

/** The device on a GPUDevice of the page's, whose own errors stay the page's. */
async function shared(gpuDevice) {
  const module = await moduleOf('gpu');
  const handler = gpuDevice.onuncapturederror;
  const made = new Device(await requested(module.raw, gpuDevice), module);
  gpuDevice.onuncapturederror = handler;
  return made;
}

/** Has the module ask for an adapter, and gives it one whose device is the page's. It asks before `device_request` returns. */
function requested(raw, gpuDevice) {
  const { features, limits } = gpuDevice;
  const info = gpuDevice.adapterInfo ?? { description: '', isFallbackAdapter: false, subgroupMinSize: 4, subgroupMaxSize: 128 };
  const adapter = { features, limits, info, isFallbackAdapter: false, requestDevice: async () => gpuDevice };
  const { gpu } = navigator;
  Object.defineProperty(gpu, 'requestAdapter', { configurable: true, value: async () => adapter });
  try {
    return raw.device_request('gpu');
  } finally {
    delete gpu.requestAdapter;
  }
}

export default { init, device, Device, Tensor, SGD, Adam, AdamW, RMSprop, Lion };
